//! The tour of the README: shown as it is, and run against the reference server.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use syncline_server::log::MemoryLog;
use syncline_server::{Config, Server};
use tokio::net::TcpListener;

#[path = "../examples/tour.rs"]
#[allow(dead_code, reason = "its `main` is not called")]
mod tour;

const SOURCE: &str = include_str!("../examples/tour.rs");
const README: &str = include_str!("../../../README.md");

#[tokio::test]
async fn the_tour_works() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/sync", listener.local_addr().unwrap());
    let (server, _control) = Server::new(MemoryLog::new(), Config::default()).unwrap();
    tokio::spawn(server.run(listener, std::future::pending()));
    tour::run(&url).await.unwrap();
}

#[test]
fn the_readme_shows_the_tour_as_it_is() {
    let (_, shown) = SOURCE.split_once("// README: begin\n").unwrap();
    let (shown, _) = shown.split_once("// README: end").unwrap();
    assert!(
        README.contains(&format!("```rust\n{shown}```")),
        "the README shows another tour than reference-client/rust/examples/tour.rs"
    );
}
