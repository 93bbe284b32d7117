//! A JSON document with its members in the order of the file: people ordered them, and what is generated keeps that.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    Null,
    Bool(bool),
    Integer(u64),
    Text(String),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl Node {
    pub fn parse(text: &str) -> Node {
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text:.60}"))
    }

    pub fn member(&self, name: &str) -> Option<&Node> {
        self.members()
            .iter()
            .find(|(own, _)| own == name)
            .map(|(_, value)| value)
    }

    pub fn members(&self) -> &[(String, Node)] {
        match self {
            Node::Object(members) => members,
            _ => &[],
        }
    }

    pub fn items(&self) -> &[Node] {
        match self {
            Node::List(items) => items,
            _ => &[],
        }
    }

    /// The text of a member that must be there.
    pub fn text(&self, name: &str) -> &str {
        match self.member(name) {
            Some(Node::Text(text)) => text,
            other => panic!("{name} must be a string, not {other:?}"),
        }
    }

    /// The truth of a member that must be there.
    pub fn flag(&self, name: &str) -> bool {
        match self.member(name) {
            Some(Node::Bool(flag)) => *flag,
            other => panic!("{name} must be a boolean, not {other:?}"),
        }
    }

    /// The strings of a member that must be a list of them.
    pub fn texts(&self, name: &str) -> Vec<&str> {
        let items = self
            .member(name)
            .unwrap_or_else(|| panic!("{name} is missing"))
            .items();
        items
            .iter()
            .map(|item| {
                if let Node::Text(text) = item {
                    text.as_str()
                } else {
                    panic!("{item:?}")
                }
            })
            .collect()
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Node, D::Error> {
        source.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value without fractions and negative numbers")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Node, E> {
        Ok(Node::Bool(flag))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Node, E> {
        Ok(Node::Integer(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Node, A::Error> {
        let mut object: Vec<(String, Node)> = Vec::new();
        while let Some((name, value)) = members.next_entry()? {
            if object.iter().any(|(own, _)| *own == name) {
                return Err(A::Error::custom(format!("{name} stands twice")));
            }
            object.push((name, value));
        }
        Ok(Node::Object(object))
    }
}
