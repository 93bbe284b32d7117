// Yjs at several clients, each an adapter of its own (conformance/adapter.md): they edit offline and online, compact by turns, restart, and come to the same
// state, byte for byte.
//
//   node drive.mjs ADAPTER URL FOLDER SEED
//
// Prints what it has seen in one line, and ends with an error if the replicas differ.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import * as Y from 'yjs'

const [adapter, url, folder, seed] = process.argv.slice(2)
const ROUNDS = 150
const PATIENCE_MS = 60_000
const NAMED = { table: 'drawings', key: 'd' }

const bytes = (data) => new Uint8Array(Buffer.from(data, 'base64'))
const text = (data) => Buffer.from(data).toString('base64')

/** Numbers that look random, the same in each run. */
const dice = (() => {
  let state = BigInt(seed)
  return (bound) => {
    state = (state * 6364136223846793005n + 1n) & ((1n << 64n) - 1n)
    return Number(state >> 33n) % Math.max(bound, 1)
  }
})()

/** A person with a drawing: a Y.Doc in memory, kept in sync by a client behind its adapter. */
class Person {
  constructor (name, clientID) {
    this.store = join(folder, name)
    this.clientID = clientID
    this.online = false
    mkdirSync(this.store)
  }

  async open () {
    this.process = spawn(adapter, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.asked = new Map()
    this.next = 1
    this.news = []
    const lines = createInterface({ input: this.process.stdout })
    lines.on('line', (line) => this.hear(JSON.parse(line)))
    this.ended = new Promise((resolve) => this.process.on('close', resolve))
    await this.tell('open', { url, workspace: 'home', store: this.store })
    await this.tell('subscribe', { tables: ['drawings'] })
    await this.tell('mutate', { ops: [{ op: 'declare', table: 'drawings', kind: 'document' }] })
    await this.tell('watch_document', NAMED)
    this.doc = made(await this.entries())
    this.doc.clientID = this.clientID
    this.appends = []
    this.doc.on('update', (update, origin) => {
      if (origin !== 'server') this.appends.push(this.tell('append', { ...NAMED, data: text(update) }))
    })
    if (this.online) await this.tell('go_online')
  }

  hear (line) {
    if (line.event === 'document') this.news.push(line)
    if (line.event === 'rejected') throw new Error(`rejected: ${line.code}`)
    const done = this.asked.get(line.id)
    if (!done) return
    this.asked.delete(line.id)
    line.error ? done.reject(new Error(line.error.message)) : done.resolve(line.ok)
  }

  tell (command, members = {}) {
    const id = this.next++
    const answer = new Promise((resolve, reject) => this.asked.set(id, { resolve, reject }))
    this.process.stdin.write(JSON.stringify({ id, do: command, ...members }) + '\n')
    return answer
  }

  async entries () {
    return (await this.tell('document', NAMED)).entries
  }

  /** Writes or erases something; the append follows from the update that Yjs tells of. */
  async edit (round) {
    const written = this.doc.getText('text')
    const choice = dice(4)
    if (choice === 0 && written.length > 3) written.delete(dice(written.length - 2), 2)
    else if (choice === 1) this.doc.getMap('map').set(`k${dice(5)}`, round)
    else written.insert(dice(written.length + 1), `<${round}>`)
    await Promise.all(this.appends.splice(0))
  }

  /** Takes in what others did. */
  take () {
    for (const news of this.news.splice(0)) {
      assert.equal(news.anew, false, 'nothing was deleted or rejected')
      if (news.origin !== 'server') continue
      for (const entry of news.entries) Y.applyUpdate(this.doc, bytes(entry.data), 'server')
    }
  }

  /** One entry in the place of all that the server has told of. */
  async compact () {
    // Where the server can be asked: else it is chance how much it has told of.
    if (this.online) await this.synced()
    const base = (await this.entries()).filter((entry) => entry.version !== undefined)
    if (base.length < 2) return false
    const merged = base.map((entry) => entry.data)
    const data = text(Y.mergeUpdates(merged.map(bytes)))
    return 'opId' in await this.tell('compact', { ...NAMED, merged, data })
  }

  async setOnline (online) {
    await this.tell(online ? 'go_online' : 'go_offline')
    this.online = online
  }

  async synced () {
    const begun = Date.now()
    for (;;) {
      const status = await this.tell('status')
      if (status.synced) return
      assert.ok(Date.now() - begun < PATIENCE_MS, `never synced: ${JSON.stringify(status)}`)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  async close () {
    await this.tell('close')
    await this.ended
  }
}

/** A document made of its entries. */
function made (entries) {
  const doc = new Y.Doc()
  for (const entry of entries) Y.applyUpdate(doc, bytes(entry.data), 'server')
  return doc
}

const state = (doc) => ({ text: doc.getText('text').toString(), map: doc.getMap('map').toJSON() })

const people = ['ann', 'bob', 'cid'].map((name, index) => new Person(name, index + 1))
for (const person of people) {
  person.online = true
  await person.open()
}
let [compactions, restarts] = [0, 0]
for (let round = 0; round < ROUNDS; round++) {
  const person = people[dice(people.length)]
  const choice = dice(20)
  if (choice < 12) await person.edit(round)
  else if (choice < 14) compactions += await person.compact()
  else if (choice < 17) await person.setOnline(!person.online)
  else if (choice === 17) {
    await person.close()
    await person.open()
    restarts++
  } else for (const other of people.filter((other) => other.online)) await other.synced()
  person.take()
}
// What one was told last may be news to others: twice suffices, for all are online then.
for (let time = 0; time < 2; time++) {
  for (const person of people) {
    await person.setOnline(false)
    await person.setOnline(true)
    await person.synced()
  }
}
const [first, ...others] = await Promise.all(people.map(async (person) => {
  const entries = await person.entries()
  // News are told behind the answers that they precede.
  person.take()
  const fresh = made(entries)
  assert.deepEqual(state(fresh), state(person.doc), 'what it was told is what it has')
  assert.deepEqual(Y.encodeStateVector(fresh), Y.encodeStateVector(person.doc))
  return { entries, bytes: text(Y.encodeStateAsUpdate(fresh)), state: state(person.doc) }
}))
for (const other of others) {
  assert.deepEqual(other.state, first.state, 'the same state')
  assert.deepEqual(other.entries, first.entries, 'the same entries')
  assert.equal(other.bytes, first.bytes, 'the same bytes')
}
for (const person of people) await person.close()
assert.ok(compactions > 3, `${compactions} compactions`)
console.log(`${ROUNDS} rounds, ${compactions} compactions, ${restarts} restarts: ${people.length} replicas are equal, ${first.bytes.length} characters of base64`)
