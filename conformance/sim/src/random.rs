//! Plans made by chance. Each seed chooses for itself what can go wrong, and how often: what goes wrong alone is found as well as what goes wrong together.

use crate::app::DOCUMENTS;
use crate::dice::Dice;
use crate::plan::{Doing, How, Odd, Plan, Settings, What, Write};

/// The number of the table of documents.
const DOCUMENTS_NUMBER: u8 = 25;

/// The plan of a seed: so many clients, so many operations in all.
#[must_use]
pub fn plan(seed: u64, clients: usize, operations: usize) -> Plan {
    let mut dice = Dice::of(seed, 0, 0);
    let nodes = if dice.chance(40) { 2 } else { 1 };
    let mut settings = settings(&mut dice, nodes);
    let mut risks = risks(&mut dice);
    let declares = dice.chance(30);
    if declares {
        // Whether a write is concurrent with a delete that is forgotten is the server's to say.
        risks.retain(|risk| ![Risk::Truncate, Risk::Sleep].contains(risk));
        settings.versions = 1_000_000;
    }
    let mut maker = Maker {
        tables: tables_of(&settings) + 1,
        keys: dice.pick(&[1, 2, 4, 4, 16]),
        risks,
        clients: clients as u64,
        nodes: nodes as u64,
        mishaps: dice.pick(&[0, 5, 10, 20, 40]),
        declares,
        presence: settings.presence,
        block: settings.block,
        documents: settings.shapes[0].iter().any(|table| table == DOCUMENTS),
        strays: dice.chance(25),
        asks: dice.chance(25),
        dice,
    };
    // From a rush, where everything meets, to a quiet day.
    let pace_ms = maker.dice.pick(&[2, 10, 10, 50, 200]);
    let mut at_ms = 0;
    let mut doings = Vec::with_capacity(operations * 2);
    let mut left = operations;
    while left > 0 {
        at_ms += maker.dice.below(2 * pace_ms + 1);
        let what = match maker.dice.chance(maker.mishaps) && !maker.risks.is_empty() {
            true => maker.mishap(),
            false => {
                left -= 1;
                maker.act()
            }
        };
        doings.push(Doing { at_ms, what });
    }
    Plan {
        seed,
        clients,
        nodes,
        settings,
        doings,
    }
}

/// How many tables of rows are read.
fn tables_of(settings: &Settings) -> u64 {
    let tables = settings.shapes.iter().flatten();
    tables.filter(|table| *table != DOCUMENTS).count() as u64
}

fn settings(dice: &mut Dice, nodes: usize) -> Settings {
    let tables = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let mut shapes = match dice.below(3) {
        0 => vec![tables(&["a"])],
        1 => vec![tables(&["a", "b"]), tables(&["c"])],
        _ => vec![tables(&["a", "b", "c"])],
    };
    if dice.chance(20) {
        shapes[0].push(DOCUMENTS.to_owned());
    }
    let latency = dice.pick(&[(100, 300), (500, 5_000), (1_000, 60_000)]);
    let slow = dice.chance(20);
    let in_flight = dice.pick(&[1, 2, 4, 256, 256]);
    let bounded = dice.chance(40);
    Settings {
        shapes,
        latency_us: latency,
        append_us: if slow { (1_000, 40_000) } else { (50, 2_000) },
        store_us: dice.pick(&[0, 500, 5_000]),
        part_bytes: if bounded { 100 } else { 64 * 1024 },
        outbox_bytes: if bounded { 1_000 } else { 1 << 20 },
        step_bytes: dice.pick(&[500, 32 << 20, 32 << 20]),
        in_flight,
        push_mutations: dice.pick(&[1, 2, 4, 256]).min(in_flight),
        burst: dice.pick(&[5, 4_000, 4_000, 4_000]),
        rate: dice.pick(&[20, 1_000]),
        versions: dice.pick(&[4, 30, 1_000_000, 1_000_000]),
        without: Vec::new(),
        // Nodes do not tell each other who is present; and what little room there is is not for words.
        presence: nodes == 1 && !bounded && dice.chance(60),
        block: if dice.chance(40) { 6 } else { 0 },
        urgent: if dice.chance(15) {
            tables(&["b", "a"])
        } else {
            Vec::new()
        },
    }
}

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Risk {
    Cut,
    Silence,
    Stall,
    Crash,
    Copy,
    Jump,
    Append,
    Kill,
    Restart,
    Checkpoint,
    Truncate,
    Restore,
    Sleep,
    Steer,
    Miss,
    Again,
}

fn risks(dice: &mut Dice) -> Vec<Risk> {
    use Risk::{
        Again, Append, Checkpoint, Copy, Crash, Cut, Jump, Kill, Miss, Restart, Restore, Silence,
        Sleep, Stall, Steer, Truncate,
    };
    let all = [
        Cut, Cut, Silence, Stall, Crash, Crash, Jump, Append, Append, Kill, Restart, Checkpoint,
        Truncate, Steer, Miss, Again,
    ];
    let mut risks: Vec<Risk> = all.into_iter().filter(|_| dice.chance(50)).collect();
    match dice.below(10) {
        // Copies together with restores are not promised to apply once.
        0 | 1 => risks.push(Copy),
        2 | 3 => risks.extend([Restore, Restore]),
        4 => risks.push(Sleep),
        _ => {}
    }
    risks
}

/// Makes a plan.
struct Maker {
    dice: Dice,
    clients: u64,
    nodes: u64,
    tables: u64,
    keys: u64,
    /// How many of a hundred doings go wrong.
    mishaps: u64,
    risks: Vec<Risk>,
    declares: bool,
    presence: bool,
    block: u64,
    documents: bool,
    /// Whether there is a stranger.
    strays: bool,
    /// Whether apps ask for the past.
    asks: bool,
}

impl Maker {
    fn client(&mut self) -> usize {
        self.dice.below(self.clients) as usize
    }

    fn node(&mut self) -> usize {
        self.dice.below(self.nodes) as usize
    }

    /// What an app does when nothing goes wrong.
    fn act(&mut self) -> What {
        let client = self.client();
        match self.dice.below(20) {
            0 | 1 if self.presence => {
                let state = self
                    .dice
                    .chance(80)
                    .then(|| self.dice.below(1 << 20) as u32);
                What::Present(client, state)
            }
            2 | 3 if self.block > 0 => What::TakeId(client),
            4 | 5 if self.strays => self.stray(),
            6 if self.asks => What::Past {
                client,
                table: self.dice.below(self.tables) as u8,
                key: { self.dice.chance(50) }.then(|| self.dice.below(self.keys) as u8),
                limit: self.dice.pick(&[1, 2, 3, 100, 101]),
            },
            _ => What::Write {
                client,
                ops: self.ops(),
            },
        }
    }

    fn ops(&mut self) -> Vec<Write> {
        let count = self.dice.pick(&[1, 1, 1, 2, 3]);
        (0..count).map(|_| self.op()).collect()
    }

    fn stray(&mut self) -> What {
        let how = match self.dice.below(16) {
            0..7 => Odd::Next,
            7 => Odd::Anew,
            8 | 9 => Odd::Twice,
            10 | 11 => Odd::Old,
            12 => Odd::OtherName,
            13 => Odd::Gap,
            14 => Odd::Follows,
            _ => Odd::OtherEpoch,
        };
        What::Stray {
            how,
            table: self.dice.below(self.tables) as u8,
            key: self.dice.below(self.keys) as u8,
        }
    }

    /// Something done with a document.
    fn edit(&mut self) -> Write {
        let how = match self.dice.below(20) {
            // Whoever is first.
            0 | 1 => How::DeclareDocuments,
            2..14 => How::Append,
            14..18 => How::Compact,
            18 => How::Delete,
            _ => How::Set,
        };
        let key = self.dice.below(2) as u8;
        Write {
            table: DOCUMENTS_NUMBER,
            key,
            how,
        }
    }

    fn op(&mut self) -> Write {
        if self.documents && self.dice.chance(25) {
            return self.edit();
        }
        // The last table is nobody's: it is written and never read.
        let table = self.dice.below(self.tables * 4) / 4;
        let how = match self.dice.below(40) {
            0..14 => How::Set,
            14..22 => How::SetFields,
            22 => How::SetLong,
            23..28 => How::Patch,
            28..33 => How::Delete,
            33..35 => How::SetIf,
            35 => How::Create,
            36 if self.declares => How::Declare(self.dice.below(7) as u8),
            37 => How::Allocate(self.dice.below(20) as u8),
            38 if self.block > 0 => How::Observe(self.dice.below(10) as u8),
            _ => How::Set,
        };
        Write {
            table: table as u8,
            key: self.dice.below(self.keys) as u8,
            how,
        }
    }

    fn mishap(&mut self) -> What {
        let risk = self.dice.below(self.risks.len() as u64) as usize;
        let (client, node) = (self.client(), self.node());
        let away_ms = self.dice.pick(&[0, 5, 100, 2_000]);
        match self.risks[risk] {
            Risk::Cut => What::Cut(client),
            Risk::Silence => What::Silence(client),
            Risk::Stall => What::Stall(client, self.dice.pick(&[5, 100, 1_000])),
            Risk::Crash => What::Crash {
                client,
                stored: self.dice.chance(60),
                away_ms,
            },
            Risk::Copy => What::Copy {
                from: client,
                to: self.client(),
            },
            Risk::Jump => {
                let ms = self
                    .dice
                    .pick(&[-3_600_000, -5_000, -10, 10, 5_000, 3_600_000]);
                // Which of two writes is the later, and when each was, is judged by the witness's clock, too: it must be the server's.
                match self.declares || self.asks || self.dice.chance(70) {
                    true => What::Jump(client, ms),
                    false => What::JumpServer(node, ms),
                }
            }
            Risk::Append => match self.dice.below(3) {
                0 => What::AppendFails,
                1 => What::AppendLost,
                _ => What::AppendSlow(self.dice.pick(&[10, 100, 1_000])),
            },
            Risk::Kill => What::Kill {
                node,
                torn: self.dice.chance(50),
                away_ms,
            },
            Risk::Restart => What::Restart { node, away_ms },
            Risk::Checkpoint => What::Checkpoint(node),
            Risk::Truncate => What::Truncate(node),
            Risk::Restore => match self.dice.chance(60) {
                true => What::Backup(node),
                false => What::Restore(node),
            },
            Risk::Sleep => match away_ms < 100 {
                true => What::Sleep,
                false => What::SleepLong,
            },
            Risk::Miss => What::Miss(client),
            Risk::Again => What::Again(client),
            Risk::Steer => What::Steer(client, self.dice.below(8) as u8),
        }
    }
}
