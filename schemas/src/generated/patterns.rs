//! The rules of names, one type each: `Ident::matches(text)`.
//!
//! Generated from `v1/` by `tests/generate`: change the schemas, then run the tests.

use crate::forms::Pattern;

/// An identifier made by a program: client ids, operation ids, epochs, sessions, shapes, capability names.
#[derive(Clone, Copy, Debug)]
pub enum Ident {}

impl Pattern for Ident {
    const PATTERN: &'static str = "^[A-Za-z0-9_-]{1,64}$";
    const BYTES_MIN: usize = 1;
    const BYTES_MAX: usize = 64;

    fn allows(byte: u8) -> bool {
        matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-')
    }
}

/// The name of a workspace.
#[derive(Clone, Copy, Debug)]
pub enum Workspace {}

impl Pattern for Workspace {
    const PATTERN: &'static str = "^[A-Za-z0-9._-]{1,128}$";
    const BYTES_MIN: usize = 1;
    const BYTES_MAX: usize = 128;

    fn allows(byte: u8) -> bool {
        matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-')
    }
}

/// A code of the error registry (errors.json). Open: an unknown code is handled by its scope and `retryable`.
#[derive(Clone, Copy, Debug)]
pub enum Code {}

impl Pattern for Code {
    const PATTERN: &'static str = "^[a-z0-9_]{1,64}$";
    const BYTES_MIN: usize = 1;
    const BYTES_MAX: usize = 64;

    fn allows(byte: u8) -> bool {
        matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_')
    }
}

/// 128 bits as 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug)]
pub enum Sum {}

impl Pattern for Sum {
    const PATTERN: &'static str = "^[0-9a-f]{32,32}$";
    const BYTES_MIN: usize = 32;
    const BYTES_MAX: usize = 32;

    fn allows(byte: u8) -> bool {
        matches!(byte, b'0'..=b'9' | b'a'..=b'f')
    }
}

/// A client as others see it: 128 bits of a hash, as 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug)]
pub enum Author {}

impl Pattern for Author {
    const PATTERN: &'static str = "^[0-9a-f]{32,32}$";
    const BYTES_MIN: usize = 32;
    const BYTES_MAX: usize = 32;

    fn allows(byte: u8) -> bool {
        matches!(byte, b'0'..=b'9' | b'a'..=b'f')
    }
}

/// What a setting of a table is declared to be. A word that a server does not know is a setting that it does not offer (TAB-REFUSED).
#[derive(Clone, Copy, Debug)]
pub enum SettingWord {}

impl Pattern for SettingWord {
    const PATTERN: &'static str = "^[A-Za-z0-9_-]{1,64}$";
    const BYTES_MIN: usize = 1;
    const BYTES_MAX: usize = 64;

    fn allows(byte: u8) -> bool {
        matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-')
    }
}
