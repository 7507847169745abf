//! What the command says when it cannot begin.

use clap::Parser;
use synfin::memory_link;

use super::*;
use crate::args::{Cli, Command};

fn check(line: &[&str]) -> Result<(), Failure> {
    let line = ["synfin", "serve"].iter().chain(line);
    match Cli::try_parse_from(line).expect("sound options").command {
        Command::Serve(args) => Setup::check(&args).map(drop),
        Command::Demo(_) => panic!("serve was asked for"),
    }
}

fn words(failure: &Failure) -> &str {
    match failure {
        Failure::Usage(words) | Failure::Failed(words) => words,
        Failure::OutputClosed => "",
    }
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let (link, _other) = memory_link(1500);
    let net = Net::builder().link(link).address("10.0.0.1/24").build();
    let net = net.expect("a network");
    let held = listen(&net, 8080).await.expect("it is free");
    let failure = listen(&net, 8080).await.expect_err("it is held");
    assert!(words(&failure).starts_with("cannot listen on port 8080: "));
    assert!(words(&failure).contains("in use"), "{failure:?}");
    drop(held);
    listen(&net, 8080).await.expect("it is free again");
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let here = dir.path().to_str().expect("text");
    let gone = format!("{here}/gone");
    assert!(check(&[here, "--upload", here]).is_ok());
    for line in [vec![gone.as_str()], vec![here, "--upload", &gone]] {
        let failure = check(&line).expect_err("it is not there");
        assert_eq!(words(&failure), format!("no such directory: {gone}"));
    }
}
