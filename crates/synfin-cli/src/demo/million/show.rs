//! What is printed: a table that changes in place on a terminal, lines elsewhere, and at the end
//! each state over time.
//!
//! The cursor stays visible and nothing but whole tables is written, so an interrupt leaves the
//! terminal as it is.

use std::io::{self, Write};
use std::time::Duration;

use synfin_core::{State, Totals};

/// The states of connections, in the order of their lives.
const STATES: [State; 9] = [
    State::SynSent,
    State::SynReceived,
    State::Established,
    State::FinWait1,
    State::FinWait2,
    State::CloseWait,
    State::Closing,
    State::LastAck,
    State::TimeWait,
];
/// How often a line is printed where nothing changes in place.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// The time that a character of a graph stands for.
const COLUMN: Duration = Duration::from_secs(2);
const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// How it stands at a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// Since the start.
    pub(super) time: Duration,
    /// Of the client and of the server.
    pub(super) totals: [Totals; 2],
    /// Octets that the process holds, if that is known.
    pub(super) resident: Option<u64>,
}

impl Sample {
    /// Nothing is left at either end.
    fn is_over(&self) -> bool {
        self.totals.iter().all(|totals| totals.flows() == 0)
    }
}

/// Where it is printed, and what was seen so far.
#[derive(Debug)]
pub(super) struct Show<W> {
    out: W,
    live: bool,
    /// Lines of the table that stands on the terminal, to be overwritten.
    standing: usize,
    /// The next time for a line.
    line_at: Duration,
    /// For each column the most that each end had in each state.
    columns: Vec<[[u32; STATES.len()]; 2]>,
}

impl<W: Write> Show<W> {
    /// To `out`, in place if it is a terminal.
    pub(super) fn new(out: W, live: bool) -> Self {
        Self {
            out,
            live,
            standing: 0,
            line_at: LINE_EVERY,
            columns: Vec::new(),
        }
    }

    pub(super) fn title(&mut self, connections: u32) -> io::Result<()> {
        writeln!(
            self.out,
            "\n {}: {}\n\n {} connections from {} to {}:80, both ends in this process, in virtual \
             time:\n opened within 20 s, a request and an answer on each, from 25 s on closed \
             within\n 20 s. Of ten the client closes eight first, the server one, both at once \
             one.\n",
            super::NAME,
            super::TITLE,
            number(connections.into()),
            super::client_net(),
            super::SERVER,
        )
    }

    /// A moment: the table in place, or a line now and then.
    pub(super) fn frame(&mut self, sample: Sample) -> io::Result<()> {
        self.remember(&sample);
        if self.live {
            let table = self.table(&sample);
            let up = match self.standing {
                0 => String::new(),
                lines => format!("\x1b[{lines}A"),
            };
            self.standing = table.len();
            let text: String = table.iter().map(|line| format!("{line}\x1b[K\n")).collect();
            self.out.write_all((up + &text).as_bytes())?;
        } else if sample.time >= self.line_at || sample.is_over() {
            self.line_at += LINE_EVERY;
            for line in lines(&sample) {
                writeln!(self.out, "{line}")?;
            }
        }
        self.out.flush()
    }

    /// Something to be left standing.
    pub(super) fn aside(&mut self, text: &str) -> io::Result<()> {
        self.standing = 0;
        writeln!(self.out, "\n{text}")?;
        self.out.flush()
    }

    /// Each state over time.
    pub(super) fn history(&mut self) -> io::Result<()> {
        self.standing = 0;
        let width = self.columns.len();
        writeln!(
            self.out,
            "\n Over time, {} s a column:{:width$}most",
            COLUMN.as_secs(),
            "",
            width = width + 3
        )?;
        for (end, name) in ["client", "server"].iter().enumerate() {
            for (at, state) in STATES.iter().enumerate() {
                let most = self.most(end, at);
                if most > 0 {
                    let graph = self.graph(end, at, most);
                    let most = number(most.into());
                    writeln!(self.out, " {name} {state:<12} {graph} {most:>10}")?;
                }
            }
        }
        writeln!(self.out)
    }

    /// The last lines: what, how many, and a word about it.
    pub(super) fn summary(&mut self, lines: &[(&str, String, String)]) -> io::Result<()> {
        for (what, value, about) in lines {
            let line = format!(" {what:<16}{value:>13}  {about}");
            writeln!(self.out, "{}", line.trim_end())?;
        }
        self.out.flush()
    }

    fn remember(&mut self, sample: &Sample) {
        let column = (sample.time.as_nanos().saturating_sub(1) / COLUMN.as_nanos()) as usize;
        if column >= self.columns.len() {
            self.columns.resize(column + 1, Default::default());
        }
        for (of, totals) in self.columns[column].iter_mut().zip(&sample.totals) {
            for (most, state) in of.iter_mut().zip(STATES) {
                *most = totals[state].max(*most);
            }
        }
    }

    fn table(&self, sample: &Sample) -> Vec<String> {
        let mut table = vec![format!(
            " {:>6.2} s {:>16} {:>12}",
            sample.time.as_secs_f64(),
            "client",
            "server"
        )];
        for (at, state) in STATES.iter().enumerate() {
            let [client, server] = sample.totals.map(|totals| number(totals[*state].into()));
            let end = usize::from(self.most(1, at) > self.most(0, at));
            let graph = self.graph(end, at, self.most(end, at));
            let shown: String = graph.chars().rev().take(40).collect();
            let shown: String = shown.chars().rev().collect();
            table.push(format!(" {state:<12} {client:>12} {server:>12} {shown}"));
        }
        table.push(format!(" memory {:>18}", mebibytes(sample.resident)));
        table
    }

    fn most(&self, end: usize, state: usize) -> u32 {
        let of = self.columns.iter().map(|column| column[end][state]);
        of.max().unwrap_or(0)
    }

    fn graph(&self, end: usize, state: usize, most: u32) -> String {
        let bar = |column: &[[u32; STATES.len()]; 2]| {
            let eighths = u64::from(column[end][state]) * 8;
            BARS[eighths.div_ceil(u64::from(most.max(1))) as usize]
        };
        self.columns.iter().map(bar).collect()
    }
}

/// A line for each end with the states in which it has connections.
fn lines(sample: &Sample) -> [String; 2] {
    let of = |name: &str, totals: &Totals| {
        let mut line = format!(" {name}");
        for state in STATES {
            if totals[state] > 0 {
                line += &format!("  {state} {}", number(totals[state].into()));
            }
        }
        if totals.flows() == 0 {
            line += "  none";
        }
        line
    };
    let [client, server] = &sample.totals;
    let time = format!("{:>6.1} s", sample.time.as_secs_f64());
    [
        format!("{time} {}", of("client", client)),
        format!("{:>8} {}", "", of("server", server)),
    ]
}

/// With a comma between thousands.
pub(super) fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Octets, rounded to MiB.
pub(super) fn mebibytes(octets: Option<u64>) -> String {
    match octets {
        Some(octets) => format!("{} MiB", octets.div_ceil(1 << 20)),
        None => "not known".to_owned(),
    }
}

/// Seconds with a tenth.
pub(super) fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
