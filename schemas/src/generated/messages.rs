//! The messages: `messages.json` and `messages/`.
//!
//! Generated from `v1/` by `tests/generate`: change the schemas, then run the tests.

use super::patterns;
use crate::decode::{self, DecodeError};
use crate::forms::{
    Any, Flag, Integer, List, Matching, Object, Table, Text, Word, Words, optional, required,
};
use crate::tagged::{self, Tagged};
use crate::{
    Change, Cursor, HistoryOrder, Json, JsonObject, Limits, MutationResult, Outcome, PastChange,
    Place,
};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A message that a client sends.
#[allow(
    clippy::large_enum_variant,
    reason = "the large ones are rare: one a connection"
)]
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum ClientMessage {
    /// Opens the session: which workspace, and as whom. The first frame of a connection.
    Hello(Hello),
    /// Subscribes to a shape, from where the replica stands.
    Subscribe(Subscribe),
    /// Ends a subscription.
    Unsubscribe(Unsubscribe),
    /// Mutations to decide, in order, as the next links of the client's chain.
    Push(Push),
    /// Asks whether the server is there.
    Ping(Ping),
    /// Asks for the digest of a shape. Capability: digests.
    Digest(Digest),
    /// Makes the session present with this state, or withdraws it. Capability: presence.
    Present(Present),
    /// Asks for changes that were made to a table or a row. Capability: history.
    History(History),
}

impl ClientMessage {
    /// The values of `type`, in the schema's order.
    pub const TAGS: &'static [&'static str] = &[
        "hello",
        "subscribe",
        "unsubscribe",
        "push",
        "ping",
        "digest",
        "present",
        "history",
    ];
}

impl<'de> Tagged<'de> for ClientMessage {
    const TAG: &'static str = "type";

    fn read_arm<A: MapAccess<'de>>(tag: &str, members: A) -> Result<Self, A::Error> {
        let members = MapAccessDeserializer::new(members);
        match tag {
            "hello" => Hello::deserialize(members).map(Self::Hello),
            "subscribe" => Subscribe::deserialize(members).map(Self::Subscribe),
            "unsubscribe" => Unsubscribe::deserialize(members).map(Self::Unsubscribe),
            "push" => Push::deserialize(members).map(Self::Push),
            "ping" => Ping::deserialize(members).map(Self::Ping),
            "digest" => Digest::deserialize(members).map(Self::Digest),
            "present" => Present::deserialize(members).map(Self::Present),
            "history" => History::deserialize(members).map(Self::History),
            other => Err(A::Error::unknown_variant(other, Self::TAGS)),
        }
    }
}

impl<'de> Deserialize<'de> for ClientMessage {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        tagged::read(source)
    }
}

impl From<Hello> for ClientMessage {
    fn from(arm: Hello) -> Self {
        Self::Hello(arm)
    }
}

impl From<Subscribe> for ClientMessage {
    fn from(arm: Subscribe) -> Self {
        Self::Subscribe(arm)
    }
}

impl From<Unsubscribe> for ClientMessage {
    fn from(arm: Unsubscribe) -> Self {
        Self::Unsubscribe(arm)
    }
}

impl From<Push> for ClientMessage {
    fn from(arm: Push) -> Self {
        Self::Push(arm)
    }
}

impl From<Ping> for ClientMessage {
    fn from(arm: Ping) -> Self {
        Self::Ping(arm)
    }
}

impl From<Digest> for ClientMessage {
    fn from(arm: Digest) -> Self {
        Self::Digest(arm)
    }
}

impl From<Present> for ClientMessage {
    fn from(arm: Present) -> Self {
        Self::Present(arm)
    }
}

impl From<History> for ClientMessage {
    fn from(arm: History) -> Self {
        Self::History(arm)
    }
}

impl ClientMessage {
    /// The message's `type`.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Hello(_) => "hello",
            Self::Subscribe(_) => "subscribe",
            Self::Unsubscribe(_) => "unsubscribe",
            Self::Push(_) => "push",
            Self::Ping(_) => "ping",
            Self::Digest(_) => "digest",
            Self::Present(_) => "present",
            Self::History(_) => "history",
        }
    }

    /// Reads a frame's text, nested at most `depth_max` deep (`limits.depthMax`).
    ///
    /// # Errors
    /// The text is not JSON within the rules, or no message that a client sends.
    pub fn decode(text: &str, depth_max: u64) -> Result<Self, DecodeError> {
        decode::message(text, depth_max, Self::TAGS)
    }

    /// The frame's text.
    #[must_use]
    pub fn encode(&self) -> String {
        serde_json::to_string(self).expect("a message has only members that JSON can say")
    }
}

/// A message that a server sends.
#[allow(
    clippy::large_enum_variant,
    reason = "the large ones are rare: one a connection"
)]
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum ServerMessage {
    /// Accepts the hello: the state of the workspace and of the client's chain.
    Welcome(Welcome),
    /// Accepts a subscribe: updates that follow under this shape belong to it.
    Subscribed(Subscribed),
    /// The fate of the mutations of one push, or news of outcomes decided elsewhere.
    Ack(Ack),
    /// Brings a shape from one version to another, whole or as one part of several.
    Update(Update),
    /// Answers a ping.
    Pong(Pong),
    /// Says what went wrong, where, and what still stands.
    Error(ErrorMessage),
    /// Announces that the server closes the connection.
    Goaway(Goaway),
    /// The digest of a shape: asked for, or at the end of a replacement. Capability: digests.
    Digested(Digested),
    /// The state of another session, or that it is not present any more. Capability: presence.
    Presence(Presence),
    /// A page of the changes that were made to a table or a row. Capability: history.
    Past(Past),
}

impl ServerMessage {
    /// The values of `type`, in the schema's order.
    pub const TAGS: &'static [&'static str] = &[
        "welcome",
        "subscribed",
        "ack",
        "update",
        "pong",
        "error",
        "goaway",
        "digested",
        "presence",
        "past",
    ];
}

impl<'de> Tagged<'de> for ServerMessage {
    const TAG: &'static str = "type";

    fn read_arm<A: MapAccess<'de>>(tag: &str, members: A) -> Result<Self, A::Error> {
        let members = MapAccessDeserializer::new(members);
        match tag {
            "welcome" => Welcome::deserialize(members).map(Self::Welcome),
            "subscribed" => Subscribed::deserialize(members).map(Self::Subscribed),
            "ack" => Ack::deserialize(members).map(Self::Ack),
            "update" => Update::deserialize(members).map(Self::Update),
            "pong" => Pong::deserialize(members).map(Self::Pong),
            "error" => ErrorMessage::deserialize(members).map(Self::Error),
            "goaway" => Goaway::deserialize(members).map(Self::Goaway),
            "digested" => Digested::deserialize(members).map(Self::Digested),
            "presence" => Presence::deserialize(members).map(Self::Presence),
            "past" => Past::deserialize(members).map(Self::Past),
            other => Err(A::Error::unknown_variant(other, Self::TAGS)),
        }
    }
}

impl<'de> Deserialize<'de> for ServerMessage {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        tagged::read(source)
    }
}

impl From<Welcome> for ServerMessage {
    fn from(arm: Welcome) -> Self {
        Self::Welcome(arm)
    }
}

impl From<Subscribed> for ServerMessage {
    fn from(arm: Subscribed) -> Self {
        Self::Subscribed(arm)
    }
}

impl From<Ack> for ServerMessage {
    fn from(arm: Ack) -> Self {
        Self::Ack(arm)
    }
}

impl From<Update> for ServerMessage {
    fn from(arm: Update) -> Self {
        Self::Update(arm)
    }
}

impl From<Pong> for ServerMessage {
    fn from(arm: Pong) -> Self {
        Self::Pong(arm)
    }
}

impl From<ErrorMessage> for ServerMessage {
    fn from(arm: ErrorMessage) -> Self {
        Self::Error(arm)
    }
}

impl From<Goaway> for ServerMessage {
    fn from(arm: Goaway) -> Self {
        Self::Goaway(arm)
    }
}

impl From<Digested> for ServerMessage {
    fn from(arm: Digested) -> Self {
        Self::Digested(arm)
    }
}

impl From<Presence> for ServerMessage {
    fn from(arm: Presence) -> Self {
        Self::Presence(arm)
    }
}

impl From<Past> for ServerMessage {
    fn from(arm: Past) -> Self {
        Self::Past(arm)
    }
}

impl ServerMessage {
    /// The message's `type`.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Welcome(_) => "welcome",
            Self::Subscribed(_) => "subscribed",
            Self::Ack(_) => "ack",
            Self::Update(_) => "update",
            Self::Pong(_) => "pong",
            Self::Error(_) => "error",
            Self::Goaway(_) => "goaway",
            Self::Digested(_) => "digested",
            Self::Presence(_) => "presence",
            Self::Past(_) => "past",
        }
    }

    /// Reads a frame's text, nested at most `depth_max` deep (`limits.depthMax`).
    ///
    /// # Errors
    /// The text is not JSON within the rules, or no message that a server sends.
    pub fn decode(text: &str, depth_max: u64) -> Result<Self, DecodeError> {
        decode::message(text, depth_max, Self::TAGS)
    }

    /// The frame's text.
    #[must_use]
    pub fn encode(&self) -> String {
        serde_json::to_string(self).expect("a message has only members that JSON can say")
    }
}

/// Opens the session: which workspace, and as whom. The first frame of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hello {
    /// The name of a workspace.
    #[serde(deserialize_with = "required::<Matching<patterns::Workspace>, _>")]
    pub workspace: String,
    /// Who pushes. Absent: this session only reads. A secret between its client and the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Matching<patterns::Ident>, _>")]
    pub client_id: Option<String>,
    /// The highest `seq` whose outcome the client has stored durably; absent: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Integer<0, 9007199254740991>, _>")]
    pub acked_seq: Option<u64>,
    /// What the client understands beyond the core.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<List<Matching<patterns::Ident>, 0>, _>")]
    pub capabilities: Option<Vec<String>>,
}

/// Accepts the hello: the state of the workspace and of the client's chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Welcome {
    /// The history that cursors and pushes must name.
    #[serde(deserialize_with = "required::<Matching<patterns::Ident>, _>")]
    pub epoch: String,
    /// The head of the log.
    #[serde(deserialize_with = "required::<Integer<0, 9007199254740991>, _>")]
    pub version: u64,
    /// The client's highest decided `seq`; 0 if there is none or if no clientId was given.
    #[serde(deserialize_with = "required::<Integer<0, 9007199254740991>, _>")]
    pub last_seq: u64,
    /// The retained outcomes above `ackedSeq`, in order of `seq`.
    #[serde(deserialize_with = "required::<List<Object<Outcome>, 0>, _>")]
    pub results: Vec<Outcome>,
    /// Names this connection.
    #[serde(deserialize_with = "required::<Matching<patterns::Ident>, _>")]
    pub session: String,
    /// What the server offers beyond the core.
    #[serde(deserialize_with = "required::<List<Matching<patterns::Ident>, 0>, _>")]
    pub capabilities: Vec<String>,
    /// What a server allows, announced in every welcome. `default` is the reference server's; `minimum` is what every server must allow.
    #[serde(deserialize_with = "required::<Object<Limits>, _>")]
    pub limits: Limits,
    /// The server's clock.
    #[serde(deserialize_with = "required::<Integer<0, 9007199254740991>, _>")]
    pub server_time: u64,
    /// Which program serves: for people and logs, never to decide by.
    #[serde(deserialize_with = "required::<Object<ServerInfo>, _>")]
    pub server: ServerInfo,
}

/// Which program serves: for people and logs, never to decide by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerInfo {
    /// The program's name.
    #[serde(deserialize_with = "required::<Text, _>")]
    pub name: String,
    /// The program's version.
    #[serde(deserialize_with = "required::<Text, _>")]
    pub version: String,
}

/// Subscribes to a shape, from where the replica stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscribe {
    /// Chosen by the client, repeated in the answer.
    #[serde(deserialize_with = "required::<Matching<patterns::Ident>, _>")]
    pub id: String,
    /// The tables of the shape, each with its settings. The core knows no setting; one that the server does not know is refused. `where` is a filter (where.json). Capability: filters.
    #[serde(deserialize_with = "required::<Table<Object<JsonObject>, 1>, _>")]
    pub tables: BTreeMap<String, JsonObject>,
    /// Where to go on. Absent: from a replacement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Object<Cursor>, _>")]
    pub cursor: Option<Cursor>,
}

/// Accepts a subscribe: updates that follow under this shape belong to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscribed {
    /// The subscribe's.
    #[serde(deserialize_with = "required::<Matching<patterns::Ident>, _>")]
    pub id: String,
    /// Names the shape on this connection. Equal shapes may have equal names everywhere.
    #[serde(deserialize_with = "required::<Matching<patterns::Ident>, _>")]
    pub shape: String,
    /// The tables of the shape, each with the settings in force, and with its filter as `where`, if it has one.
    #[serde(deserialize_with = "required::<Table<Object<JsonObject>, 1>, _>")]
    pub tables: BTreeMap<String, JsonObject>,
}

/// Ends a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unsubscribe {
    /// The shape's name, as in subscribed.
    #[serde(deserialize_with = "required::<Matching<patterns::Ident>, _>")]
    pub shape: String,
}

/// Mutations to decide, in order, as the next links of the client's chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Push {
    /// The history that the client follows.
    #[serde(deserialize_with = "required::<Matching<patterns::Ident>, _>")]
    pub epoch: String,
    /// The `opId` of the mutation with the `seq` before the first. Absent if and only if the first `seq` is 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Matching<patterns::Ident>, _>")]
    pub follows: Option<String>,
    /// The mutations, in order of `seq`.
    #[serde(deserialize_with = "required::<List<Object<Mutation>, 1>, _>")]
    pub mutations: Vec<Mutation>,
}

/// One decision: all its ops apply at one version, or none does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mutation {
    /// The number of a mutation within its client: 1, 2, 3, ...
    #[serde(deserialize_with = "required::<Integer<1, 9007199254740991>, _>")]
    pub seq: u64,
    /// Names the mutation within its client, the same at each retry.
    #[serde(deserialize_with = "required::<Matching<patterns::Ident>, _>")]
    pub op_id: String,
    /// The ops, each as in op.json. Checked when the mutation is decided.
    #[serde(deserialize_with = "required::<List<Any, 0>, _>")]
    pub ops: Vec<Json>,
    /// How long ago, by the client's own clock, the write was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Integer<0, 9007199254740991>, _>")]
    pub age_ms: Option<u64>,
}

/// The fate of the mutations of one push, or news of outcomes decided elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ack {
    /// The push that is answered. Absent: outcomes that reached the server by another way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Integer<1, 9007199254740991>, _>")]
    pub re: Option<u64>,
    /// What became of the mutations, in order; the first that is no outcome ends the list.
    #[serde(deserialize_with = "required::<List<Object<MutationResult>, 1>, _>")]
    pub results: Vec<MutationResult>,
}

/// Brings a shape from one version to another, whole or as one part of several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Update {
    /// The shape's name, as in subscribed.
    #[serde(deserialize_with = "required::<Matching<patterns::Ident>, _>")]
    pub shape: String,
    /// The update covers what came after this version; 0 in a replacement.
    #[serde(deserialize_with = "required::<Integer<0, 9007199254740991>, _>")]
    pub from: u64,
    /// The update covers what came up to this version. In the last part only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Integer<0, 9007199254740991>, _>")]
    pub to: Option<u64>,
    /// The rows that changed, each as one version left it.
    #[serde(deserialize_with = "required::<List<Object<Change>, 0>, _>")]
    pub changes: Vec<Change>,
    /// true: a part, others follow. Absent or false: the last part.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
    /// true: a replacement starts here; what was staged is dropped. Absent or false: goes on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replace: bool,
}

/// Asks whether the server is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ping {
    /// Anything; repeated in the pong.
    #[serde(deserialize_with = "required::<Integer<0, 9007199254740991>, _>")]
    pub t: u64,
}

/// Answers a ping.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pong {
    /// The ping's.
    #[serde(deserialize_with = "required::<Integer<0, 9007199254740991>, _>")]
    pub t: u64,
    /// The server's clock.
    #[serde(deserialize_with = "required::<Integer<0, 9007199254740991>, _>")]
    pub server_time: u64,
}

/// Says what went wrong, where, and what still stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorMessage {
    /// A code of the error registry (errors.json). Open: an unknown code is handled by its scope and `retryable`.
    #[serde(deserialize_with = "required::<Matching<patterns::Code>, _>")]
    pub code: String,
    /// What has ended: the connection, one subscription, or only the request that is answered.
    #[serde(deserialize_with = "required::<Word<Scope>, _>")]
    pub scope: Scope,
    /// The frame that is answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Integer<1, 9007199254740991>, _>")]
    pub re: Option<u64>,
    /// With scope subscription: the shape that has ended, if it had begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Matching<patterns::Ident>, _>")]
    pub shape: Option<String>,
    /// Whether the same request may succeed later.
    #[serde(deserialize_with = "required::<Flag, _>")]
    pub retryable: bool,
    /// How long to wait before that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Integer<0, 9007199254740991>, _>")]
    pub retry_after_ms: Option<u64>,
    /// For people: what was wrong.
    #[serde(deserialize_with = "required::<Text, _>")]
    pub message: String,
    /// JSON Pointer, within the frame, to what was wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Text, _>")]
    pub at: Option<String>,
}

/// What has ended: the connection, one subscription, or only the request that is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// `connection`
    Connection,
    /// `subscription`
    Subscription,
    /// `request`
    Request,
}

impl Words for Scope {
    const WORDS: &'static [&'static str] = &["connection", "subscription", "request"];

    fn from_word(word: &str) -> Option<Self> {
        match word {
            "connection" => Some(Self::Connection),
            "subscription" => Some(Self::Subscription),
            "request" => Some(Self::Request),
            _ => None,
        }
    }
}

/// Announces that the server closes the connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Goaway {
    /// A code of the error registry whose carrier is goaway.
    #[serde(deserialize_with = "required::<Matching<patterns::Code>, _>")]
    pub reason: String,
    /// How long to wait before connecting again.
    #[serde(deserialize_with = "required::<Integer<0, 9007199254740991>, _>")]
    pub retry_after_ms: u64,
}

/// Asks for the digest of a shape. Capability: digests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Digest {
    /// The shape's name, as in subscribed.
    #[serde(deserialize_with = "required::<Matching<patterns::Ident>, _>")]
    pub shape: String,
}

/// The digest of a shape: asked for, or at the end of a replacement. Capability: digests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Digested {
    /// Which frame asked for it; absent at the end of a replacement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Integer<1, 9007199254740991>, _>")]
    pub re: Option<u64>,
    /// The shape's name, as in subscribed.
    #[serde(deserialize_with = "required::<Matching<patterns::Ident>, _>")]
    pub shape: String,
    /// The `to` of the shape's last complete update, at which the digest holds.
    #[serde(deserialize_with = "required::<Integer<0, 9007199254740991>, _>")]
    pub at: u64,
    /// How many rows the shape has.
    #[serde(deserialize_with = "required::<Integer<0, 9007199254740991>, _>")]
    pub count: u64,
    /// The sum of the rows' numbers, modulo 2^128.
    #[serde(deserialize_with = "required::<Matching<patterns::Sum>, _>")]
    pub sum: String,
}

/// Makes the session present with this state, or withdraws it. Capability: presence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Present {
    /// What the others are told: any JSON value, null included, of limits.presenceBytesMax bytes at most. Absent: the session is not present any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Any, _>")]
    pub state: Option<Json>,
}

/// The state of another session, or that it is not present any more. Capability: presence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Presence {
    /// The other session's name, as in its own welcome.
    #[serde(deserialize_with = "required::<Matching<patterns::Ident>, _>")]
    pub session: String,
    /// Whose session it is: a hash of epoch and clientId. Absent: it has no clientId.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Matching<patterns::Author>, _>")]
    pub author: Option<String>,
    /// Its state: any JSON value, null included. Absent: it is not present any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Any, _>")]
    pub state: Option<Json>,
}

/// Asks for changes that were made to a table or a row. Capability: history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct History {
    /// Of which table.
    #[serde(deserialize_with = "required::<Text, _>")]
    pub table: String,
    /// Of which row of it; absent: of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Text, _>")]
    pub key: Option<String>,
    /// Which comes first.
    #[serde(deserialize_with = "required::<Word<HistoryOrder>, _>")]
    pub order: HistoryOrder,
    /// Only changes behind this place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Object<Place>, _>")]
    pub after: Option<Place>,
    /// Only changes in front of this place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Object<Place>, _>")]
    pub before: Option<Place>,
    /// At most so many changes. Absent: limits.historyPageMax.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "optional::<Integer<1, 9007199254740991>, _>")]
    pub limit: Option<u64>,
}

/// A page of the changes that were made to a table or a row. Capability: history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Past {
    /// The `history` that is answered.
    #[serde(deserialize_with = "required::<Integer<1, 9007199254740991>, _>")]
    pub re: u64,
    /// The oldest version from which on every change of the workspace is known.
    #[serde(deserialize_with = "required::<Integer<0, 9007199254740991>, _>")]
    pub from: u64,
    /// The head of the log when the page was made: later changes are not in it.
    #[serde(deserialize_with = "required::<Integer<0, 9007199254740991>, _>")]
    pub to: u64,
    /// The changes, in the order that was asked for.
    #[serde(deserialize_with = "required::<List<Object<PastChange>, 0>, _>")]
    pub changes: Vec<PastChange>,
    /// Whether more changes are known behind the last of the page, within what was asked for.
    #[serde(deserialize_with = "required::<Flag, _>")]
    pub has_more: bool,
}
