//! A stack's connections as `netstat -an` prints them: the first few, and how long it takes to
//! page through all.

use std::time::{Duration, Instant};

use synfin_core::{ConnectionRow, Cursor, Filter, Stack, State};

use super::ends::Role;
use super::show;

/// Rows that are printed.
const ROWS: usize = 5;

/// What a walk over all pages has found.
#[derive(Default)]
struct Walk {
    first: Vec<ConnectionRow>,
    rows: u64,
    /// How long each page has kept the stack waiting.
    pages: Vec<Duration>,
}

/// The first connections in a state, and the time that their listing takes. How many there are
/// comes from the totals, which cost nothing.
pub(super) fn excerpt(stack: &Stack, of: Role, state: State) -> String {
    let walk = walk(stack, state);
    let many = u64::from(stack.totals()[state]);
    let name = match of {
        Role::Client => "client",
        Role::Server => "server",
    };
    let mut text = format!(
        " {name}$ netstat -an | grep {}\n Proto Recv-Q Send-Q {:<23} {:<23} State\n",
        word(state),
        "Local Address",
        "Foreign Address"
    );
    for row in &walk.first {
        text += &format!(" {}\n", line(row));
    }
    let rest = many - walk.first.len() as u64;
    if rest > 0 {
        text += &format!(" ... and {} more\n", show::number(rest));
    }
    text + &told(&walk)
}

fn told(walk: &Walk) -> String {
    let mut pages = walk.pages.clone();
    pages.sort_unstable();
    let us = |at: usize| pages.get(at).map_or(0.0, |page| page.as_secs_f64() * 1e6);
    format!(
        " ({} rows in {} pages, between which the stack may go on; a page took {:.0} us, median)\n",
        show::number(walk.rows),
        show::number(pages.len() as u64),
        us(pages.len() / 2)
    )
}

fn walk(stack: &Stack, state: State) -> Walk {
    let filter = Filter {
        state: Some(state),
        ..Filter::default()
    };
    let mut walk = Walk::default();
    let mut cursor = Some(Cursor::default());
    while let Some(at) = cursor {
        let start = Instant::now();
        let page = stack.connections(at, &filter);
        walk.pages.push(start.elapsed());
        walk.rows += page.rows.len() as u64;
        let wanted = ROWS - walk.first.len();
        walk.first.extend(page.rows.into_iter().take(wanted));
        cursor = page.next;
    }
    walk
}

fn line(row: &ConnectionRow) -> String {
    let proto = if row.tuple.is_ipv6() { "tcp6" } else { "tcp" };
    format!(
        "{proto:<5} {:>6} {:>6} {:<23} {:<23} {}",
        row.recv_queue,
        row.send_queue,
        row.tuple.local.to_string(),
        row.tuple.remote.to_string(),
        word(row.state)
    )
}

/// The state in the spelling of `netstat`.
fn word(state: State) -> String {
    state.to_string().replace('-', "_")
}
