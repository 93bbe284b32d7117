use quick_xml::Reader;
use quick_xml::events::Event;

use super::*;
use crate::report::samples::{EVIL, SECRETS, Sample};

/// The page without what HTML does not close.
fn as_xml(page: &str) -> String {
    let body = page
        .strip_prefix("<!DOCTYPE html>")
        .expect("a document type");
    let (head, rest) = body.split_once("<title>").expect("a title");
    let open = head
        .split("<meta")
        .next()
        .expect("there is something before");
    format!("{open}<title>{rest}")
}

#[test]
fn every_element_is_closed() {
    let page = page(&Sample::new().run());
    let xml = as_xml(&page);
    let mut reader = Reader::from_str(&xml);
    let mut elements = 0;
    loop {
        match reader.read_event().expect("the page is well-formed") {
            Event::Eof => break,
            Event::Start(_) => elements += 1,
            _ => {}
        }
    }
    assert!(elements > 200, "there are {elements} elements");
}

#[test]
fn what_came_over_the_wire_is_text() {
    let page = page(&Sample::new().run());
    assert!(
        page.contains("&lt;/pre&gt;&lt;script&gt;"),
        "it is not there at all"
    );
    assert!(!page.contains(EVIL));
    assert!(!page.contains("<script"));
}

#[test]
fn secrets_are_not_passed_on() {
    let run = Sample::new();
    let page = page(&run.run());
    assert!(page.contains("‹client 1›") && page.contains("‹token 1›"));
    for secret in SECRETS {
        assert!(!page.contains(secret), "{secret}");
    }
}

#[test]
fn every_link_leads_somewhere() {
    let page = page(&Sample::new().run());
    let links = page.split("href=\"#").skip(1);
    let links: Vec<&str> = links.filter_map(|rest| rest.split('"').next()).collect();
    assert!(!links.is_empty());
    for link in links {
        assert!(
            page.contains(&format!("id=\"{link}\"")),
            "nothing is named {link}"
        );
    }
}

#[test]
fn nothing_is_loaded_from_elsewhere() {
    let page = page(&Sample::new().run());
    for loads in ["src=", "@import", "url(", "<link"] {
        assert!(!page.contains(loads), "{loads}");
    }
}

#[test]
fn a_known_failure_is_told_as_one() {
    let page = page(&Sample::known("issue <7>").run());
    assert!(page.contains("Known to fail: issue &lt;7&gt;"));
}
