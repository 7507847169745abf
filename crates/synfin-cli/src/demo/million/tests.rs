//! The scene with some thousand connections.

use super::*;

fn play(connections: u32, seed: u64) -> String {
    let mut out = Vec::new();
    let played = Scene::new(connections, seed).play(&mut Show::new(&mut out, false));
    played.expect("everything ends well");
    String::from_utf8(out).expect("text")
}

/// The number that stands in a line of the summary.
fn summed(text: &str, what: &str) -> String {
    let line = text
        .lines()
        .rev()
        .find(|line| line.trim().starts_with(what));
    let line = line.unwrap_or_else(|| panic!("{what} is told"));
    let value = line.trim().strip_prefix(what).unwrap_or_default();
    value
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn all_are_used_and_closed_and_time_wait_stands_where_it_was_closed_first() {
    let text = play(5000, 1);
    for (what, value) in [
        ("opened", "5,000"),
        ("used", "5,000"),
        ("closed cleanly", "5,000"),
        ("octets verified", "640,000"),
        ("left", "0"),
    ] {
        assert_eq!(summed(&text, what), value, "{what}\n{text}");
    }
    // Eight of ten at the client, one at the server, one at both.
    let lines: Vec<&str> = text.lines().collect();
    let at = lines
        .iter()
        .position(|line| line.trim().starts_with("65.0 s"));
    let at = at.unwrap_or_else(|| panic!("a line at 65.0 s\n{text}"));
    assert_eq!(lines[at].trim(), "65.0 s  client  TIME-WAIT 4,500");
    assert_eq!(lines[at + 1].trim(), "server  TIME-WAIT 1,000");
    for state in [
        "SYN-SENT",
        "SYN-RECEIVED",
        "FIN-WAIT-1",
        "FIN-WAIT-2",
        "CLOSE-WAIT",
    ] {
        assert!(text.contains(state), "{state} is seen\n{text}");
    }
    for state in ["CLOSING", "LAST-ACK"] {
        assert!(text.contains(state), "{state} is seen\n{text}");
    }
}

#[test]
fn the_listing_is_that_of_netstat() {
    let text = play(1000, 2);
    let rows = |word: &str| {
        let rows = text.lines().filter(|line| line.ends_with(word));
        rows.filter(|line| line.starts_with(" tcp ")).count()
    };
    assert_eq!(rows(" ESTABLISHED"), 5, "{text}");
    assert_eq!(rows(" TIME_WAIT"), 10, "of both hosts\n{text}");
    assert!(text.contains(" ... and 995 more\n"), "{text}");
    assert!(text.contains(" ... and 895 more\n"), "{text}");
    assert!(text.contains(" ... and 195 more\n"), "{text}");
    // All of them are listed, by pages.
    for rows in ["1,000", "900", "200"] {
        assert!(
            text.contains(&format!("({rows} rows in ")),
            "{rows}\n{text}"
        );
    }
    let row = text
        .lines()
        .find(|line| line.starts_with(" tcp ") && line.ends_with(" TIME_WAIT"));
    let words: Vec<&str> = row.expect("a row").split_whitespace().collect();
    assert_eq!(words[..3], ["tcp", "0", "0"]);
    assert!(words[3].starts_with("10.1.0.1:"), "{words:?}");
    assert_eq!(words[4], "10.0.0.2:80");
}

/// One connection, and numbers that no tick divides.
#[test]
fn any_number_will_do() {
    for connections in [1, 7, 2001] {
        let text = play(connections, 3);
        let told = show::number(connections.into());
        assert_eq!(summed(&text, "closed cleanly"), told, "{text}");
    }
}

#[test]
fn on_a_terminal_the_table_is_written_over_itself() {
    let mut out = Vec::new();
    let played = Scene::new(100, 1).play(&mut Show::new(&mut out, true));
    played.expect("everything ends well");
    let text = String::from_utf8(out).expect("text");
    assert!(
        text.contains("\x1b[11A"),
        "the cursor goes up a whole table"
    );
    let first = text.split("\x1b[11A").next().unwrap_or_default();
    assert!(!first.contains("\x1b[1"), "nothing is overwritten before");
    // What else is printed is not overwritten: the table after it starts below.
    let after = text.split(" median)\n\n").nth(3);
    assert!(after.expect("three listings").starts_with("  50.25 s"));
}

#[test]
fn options_of_ladders_are_refused() {
    let mut args = super::super::tests::args(NAME);
    args.full = false;
    args.loss = Some(0.1);
    let told = run(&args).expect_err("there is no loss here").to_string();
    assert!(told.starts_with("--loss is for scenes"), "{told}");
}
