//! A reader of JSON and a writer of its canonical form that share no code with those under test: slow, small, and made from RFC 8259 and RFC 8785 alone.

use std::fmt::Write as _;

/// A JSON value. Numbers are doubles, as RFC 8785 has them; members stand as they came.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Plain {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Plain>),
    Object(Vec<(String, Plain)>),
}

/// The text is not one JSON value that a frame may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotJson;

/// Reads one value, with nothing but blanks around it: no name twice in an object, finite numbers, whole surrogate pairs, nested at most so deep.
pub(crate) fn read(text: &str, depth_max: usize) -> Result<Plain, NotJson> {
    let mut reader = Reader { rest: text };
    let value = reader.value(depth_max)?;
    reader.blanks();
    if reader.rest.is_empty() {
        Ok(value)
    } else {
        Err(NotJson)
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn take(&mut self, part: &str) -> bool {
        let after = self.rest.strip_prefix(part);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    fn expect(&mut self, part: &str) -> Result<(), NotJson> {
        if self.take(part) {
            Ok(())
        } else {
            Err(NotJson)
        }
    }

    fn value(&mut self, depth: usize) -> Result<Plain, NotJson> {
        self.blanks();
        match self.rest.chars().next() {
            Some('{') => self.object(depth),
            Some('[') => self.list(depth),
            Some('"') => self.text().map(Plain::Text),
            Some('-' | '0'..='9') => self.number(),
            _ if self.take("null") => Ok(Plain::Null),
            _ if self.take("true") => Ok(Plain::Bool(true)),
            _ if self.take("false") => Ok(Plain::Bool(false)),
            _ => Err(NotJson),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Plain, NotJson> {
        let below = depth.checked_sub(1).ok_or(NotJson)?;
        self.expect("{")?;
        let mut members: Vec<(String, Plain)> = Vec::new();
        self.blanks();
        if self.take("}") {
            return Ok(Plain::Object(members));
        }
        loop {
            self.blanks();
            let name = self.text()?;
            self.blanks();
            self.expect(":")?;
            let value = self.value(below)?;
            if members.iter().any(|(other, _)| *other == name) {
                return Err(NotJson);
            }
            members.push((name, value));
            self.blanks();
            if self.take("}") {
                return Ok(Plain::Object(members));
            }
            self.expect(",")?;
        }
    }

    fn list(&mut self, depth: usize) -> Result<Plain, NotJson> {
        let below = depth.checked_sub(1).ok_or(NotJson)?;
        self.expect("[")?;
        let mut items = Vec::new();
        self.blanks();
        if self.take("]") {
            return Ok(Plain::List(items));
        }
        loop {
            items.push(self.value(below)?);
            self.blanks();
            if self.take("]") {
                return Ok(Plain::List(items));
            }
            self.expect(",")?;
        }
    }

    fn number(&mut self) -> Result<Plain, NotJson> {
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let text = self.rest;
        let mut end = usize::from(text.starts_with('-'));
        let whole = digits(&text[end..]);
        if whole == 0 || whole > 1 && text[end..].starts_with('0') {
            return Err(NotJson);
        }
        end += whole;
        if text[end..].starts_with('.') {
            let fraction = digits(&text[end + 1..]);
            if fraction == 0 {
                return Err(NotJson);
            }
            end += 1 + fraction;
        }
        if text[end..].starts_with(['e', 'E']) {
            let sign = usize::from(text[end + 1..].starts_with(['+', '-']));
            let exponent = digits(&text[end + 1 + sign..]);
            if exponent == 0 {
                return Err(NotJson);
            }
            end += 1 + sign + exponent;
        }
        self.rest = &text[end..];
        let number: f64 = text[..end].parse().map_err(|_| NotJson)?;
        if number.is_finite() {
            Ok(Plain::Number(number))
        } else {
            Err(NotJson)
        }
    }

    fn text(&mut self) -> Result<String, NotJson> {
        self.expect("\"")?;
        let mut text = String::new();
        loop {
            let next = self.rest.chars().next().ok_or(NotJson)?;
            self.rest = &self.rest[next.len_utf8()..];
            match next {
                '"' => return Ok(text),
                '\\' => text.push(self.escape()?),
                '\0'..='\u{1f}' => return Err(NotJson),
                other => text.push(other),
            }
        }
    }

    fn escape(&mut self) -> Result<char, NotJson> {
        let kind = self.rest.chars().next().ok_or(NotJson)?;
        self.rest = &self.rest[kind.len_utf8()..];
        let simple = match kind {
            '"' | '\\' | '/' => kind,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => return self.unit_pair(),
            _ => return Err(NotJson),
        };
        Ok(simple)
    }

    /// A `\u` escape, and the second one if the first is a high surrogate.
    fn unit_pair(&mut self) -> Result<char, NotJson> {
        let first = self.unit()?;
        let mut units = vec![first];
        if (0xd800..0xdc00).contains(&first) {
            self.expect("\\u")?;
            units.push(self.unit()?);
        }
        let mut decoded = char::decode_utf16(units);
        match (decoded.next(), decoded.next()) {
            (Some(Ok(one)), None) => Ok(one),
            _ => Err(NotJson),
        }
    }

    fn unit(&mut self) -> Result<u16, NotJson> {
        let digits = self.rest.get(..4).ok_or(NotJson)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(NotJson);
        }
        self.rest = &self.rest[4..];
        u16::from_str_radix(digits, 16).map_err(|_| NotJson)
    }
}

impl Plain {
    /// The canonical form (RFC 8785).
    pub(crate) fn canonical(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        match self {
            Plain::Null => out.push_str("null"),
            Plain::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Plain::Number(number) => out.push_str(&ecmascript(*number)),
            Plain::Text(text) => write_text(text, out),
            Plain::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    item.write(out);
                }
                out.push(']');
            }
            Plain::Object(members) => {
                let mut sorted: Vec<_> = members.iter().collect();
                sorted.sort_by_key(|(name, _)| name.encode_utf16().collect::<Vec<_>>());
                out.push('{');
                for (index, (name, value)) in sorted.into_iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    write_text(name, out);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{9}' => out.push_str("\\t"),
            '\u{a}' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\u{d}' => out.push_str("\\r"),
            // Writing into a string cannot fail.
            '\0'..='\u{1f}' => drop(write!(out, "\\u{:04x}", u32::from(letter))),
            other => out.push(other),
        }
    }
    out.push('"');
}

/// `Number::toString` of ECMAScript, from the shortest digits that read back as the same double, which are Rust's own.
pub(crate) fn ecmascript(number: f64) -> String {
    if number == 0.0 {
        return "0".to_owned();
    }
    let sign = if number < 0.0 { "-" } else { "" };
    let (digits, exponent) = shortest(number.abs());
    // The value is 0.digits times ten to the n.
    let (count, n) = (digits.len() as i32, exponent + 1);
    let body = if count <= n && n <= 21 {
        digits + &"0".repeat((n - count) as usize)
    } else if 0 < n && n <= 21 {
        format!("{}.{}", &digits[..n as usize], &digits[n as usize..])
    } else if -6 < n && n <= 0 {
        format!("0.{}{digits}", "0".repeat(-n as usize))
    } else {
        let point = if count == 1 { "" } else { "." };
        let plus = if n > 0 { "+" } else { "-" };
        format!(
            "{}{point}{}e{plus}{}",
            &digits[..1],
            &digits[1..],
            (n - 1).abs()
        )
    };
    format!("{sign}{body}")
}

/// The fewest digits that read back as this number, and the exponent of the first. Of two that are as near, RFC 8785 wants the even one; Rust takes the upper.
fn shortest(number: f64) -> (String, i32) {
    let written = format!("{number:e}");
    let (mantissa, exponent) = written.split_once('e').expect("an exponent was asked for");
    let digits = mantissa.replace('.', "");
    // No double has more digits than that.
    let exact = format!("{number:.780e}");
    let (exact, _) = exact.split_once('e').expect("an exponent was asked for");
    let exact = exact.replace('.', "");
    let (below, rest) = exact.split_at(digits.len());
    let is_halfway = rest.starts_with('5') && rest[1..].bytes().all(|byte| byte == b'0');
    let (first, others) = below.split_at(1);
    let is_even = below.bytes().last().is_some_and(|digit| digit % 2 == 0);
    let reads_back = format!("{first}.{others}e{exponent}").parse() == Ok(number);
    let taken = if is_halfway && is_even && reads_back {
        below.to_owned()
    } else {
        digits
    };
    (taken, exponent.parse().expect("an exponent is a number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The samples of RFC 8785, appendix B, and the edges of each notation.
    #[test]
    fn numbers_are_written_as_ecmascript_writes_them() {
        for (number, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (5e-324, "5e-324"),
            (-1.797_693_134_862_315_7e308, "-1.7976931348623157e+308"),
            (9_007_199_254_740_992.0, "9007199254740992"),
            (295_147_905_179_352_830_000.0, "295147905179352830000"),
            (1e21, "1e+21"),
            (9.999_999_999_999_997e22, "9.999999999999997e+22"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (-0.0012, "-0.0012"),
            (333_333_333.333_333_3, "333333333.3333333"),
            // As near to ...508.2 as to ...508.3: the even one.
            (f64::from_bits(0x4300_22f7_ffff_ff22), "567756021825508.2"),
        ] {
            assert_eq!(ecmascript(number), text);
        }
    }

    #[test]
    fn what_no_frame_may_hold_is_refused() {
        for text in [
            "",
            "1 2",
            "[1e400]",
            "{\"a\":0,\"\\u0061\":0}",
            "\"\\ud800\"",
            "\"\\udc00\\ud800\"",
            "01",
            "1.",
            "-",
            "+1",
            ".5",
            "1e",
            "nul",
            "\u{feff}1",
            "[1,]",
            "{,}",
            "\"\n\"",
            "[[0]]",
            "\"\\u+123\"",
        ] {
            assert_eq!(read(text, 1), Err(NotJson), "{text}");
        }
        for text in [" [1] ", "{}", "-0", "1E+2", "\"\\ud83e\\udd8b\"", "1e-999"] {
            assert!(read(text, 1).is_ok(), "{text}");
        }
    }
}
