//! What an application of a scene does: a list of steps, carried out by real calls of the stack.
//!
//! A step that cannot be done yet waits for an event or for the clock; the next one follows at
//! the same instant. Nothing here touches a state: OPEN, SEND, RECEIVE, CLOSE and ABORT of RFC
//! 9293 section 3.9.1 are all there is.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use synfin_core::{
    ConnId, ConnectOptions, Instant, KeepAlive, ListenAddr, ListenOptions, ListenerId, RecvOutcome,
    SendOutcome, Shutdown, Stack,
};

use super::http::{self, Message};

/// One thing that an application does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Waits until so many milliseconds of the scene have passed.
    At(u64),
    /// Does nothing for so many milliseconds.
    Think(u64),
    /// OPEN, active, from this port of ours to that port of the peer.
    Connect(u16, u16),
    /// The same; what is sent next leaves on the SYN if the peer has given a cookie before.
    ConnectFast(u16, u16),
    /// Waits until the connection is established.
    Established,
    /// Takes a connection from the listener.
    Accept,
    /// The same of a listener that takes text with a SYN.
    AcceptFast,
    /// Keep-alive after so many seconds, again after so many, so often.
    KeepAlive(u64, u64, u8),
    /// Sends a request, with these fields beside `Host`.
    Request(&'static str),
    /// Reads a request.
    ReadRequest,
    /// Sends an answer with the scene's number of octets, and these fields.
    Answer(&'static str),
    /// Reads an answer.
    ReadAnswer,
    /// Sends so many octets.
    Send(usize),
    /// Reads until the end of stream.
    ReadToEnd,
    /// Ends the sending half and keeps the receiving one.
    Shutdown,
    /// CLOSE.
    Close,
    /// ABORT.
    Abort,
    /// The process ends: all its connections are closed at once.
    Exit,
}

/// One process of a host: its programs, which share a listener.
#[derive(Debug)]
pub(crate) struct Process {
    programs: Vec<Program>,
    setting: Setting,
    listener: Option<ListenerId>,
    listens: bool,
    takes_text_with_syn: bool,
    start: Option<Instant>,
    notes: Vec<String>,
    exited: bool,
}

/// What the programs of a process share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    /// The host at the other end.
    pub(crate) peer: IpAddr,
    /// The port to listen on.
    pub(crate) port: u16,
    /// Octets in the body of an answer.
    pub(crate) body_len: usize,
}

#[derive(Debug)]
struct Program {
    steps: &'static [Step],
    next: usize,
    conn: Option<ConnId>,
    /// Until when the present step waits.
    wake: Option<Instant>,
    /// What the present step still has to send.
    outgoing: Vec<u8>,
    /// What was read and not used yet.
    incoming: Vec<u8>,
}

/// How far a step came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Done,
    Waits,
    Failed,
}

impl Process {
    /// A process with these programs; it listens if one of them accepts.
    pub(crate) fn new(programs: &[&'static [Step]], setting: Setting) -> Self {
        let has = |step| programs.iter().any(|steps| steps.contains(&step));
        Self {
            listens: has(Step::Accept) || has(Step::AcceptFast),
            takes_text_with_syn: has(Step::AcceptFast),
            programs: programs.iter().map(|steps| Program::new(steps)).collect(),
            setting,
            listener: None,
            start: None,
            notes: Vec::new(),
            exited: false,
        }
    }

    /// Does whatever can be done now. To be called at the start, after every event of the stack,
    /// and when [`wake`](Self::wake) says so.
    pub(crate) fn run(&mut self, stack: &mut Stack, now: Instant) {
        self.start.get_or_insert(now);
        if self.listens && self.listener.is_none() && !self.exited {
            self.listen(stack);
        }
        for index in 0..self.programs.len() {
            let mut program = std::mem::replace(&mut self.programs[index], Program::new(&[]));
            while program.advance(self, stack, now) == Progress::Done {}
            self.programs[index] = program;
        }
        if std::mem::take(&mut self.exited) {
            self.exit(stack);
        }
    }

    /// When a program wants to go on.
    pub(crate) fn wake(&self) -> Option<Instant> {
        self.programs
            .iter()
            .filter_map(|program| program.wake)
            .min()
    }

    /// What the applications saw since the last call, for the reader of the scene.
    pub(crate) fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    fn listen(&mut self, stack: &mut Stack) {
        let options = ListenOptions {
            fast_open: self.takes_text_with_syn.then_some(16),
            ..ListenOptions::default()
        };
        match stack.listen(ListenAddr::port(self.setting.port), options) {
            Ok(id) => self.listener = Some(id),
            Err(error) => {
                self.listens = false;
                self.note(format!("listening fails: {error}"));
            }
        }
    }

    /// All connections at once, and no program goes on.
    fn exit(&mut self, stack: &mut Stack) {
        if let Some(listener) = self.listener.take() {
            stack.unlisten(listener);
        }
        self.listens = false;
        for program in &mut self.programs {
            if let Some(conn) = program.conn.take().and_then(|id| stack.conn_mut(id)) {
                conn.close(None);
            }
            *program = Program::new(&[]);
        }
    }
}

impl Program {
    fn new(steps: &'static [Step]) -> Self {
        Self {
            steps,
            next: 0,
            conn: None,
            wake: None,
            outgoing: Vec::new(),
            incoming: Vec::new(),
        }
    }

    /// Carries out the present step as far as it goes.
    fn advance(&mut self, process: &mut Process, stack: &mut Stack, now: Instant) -> Progress {
        let Some(&step) = self.steps.get(self.next) else {
            return Progress::Waits;
        };
        let progress = self.carry_out(step, process, stack, now);
        match progress {
            Progress::Done => self.next += 1,
            Progress::Waits => {}
            Progress::Failed => self.give_up(stack),
        }
        progress
    }

    fn give_up(&mut self, stack: &mut Stack) {
        self.next = self.steps.len();
        self.wake = None;
        if let Some(conn) = self.conn.take().and_then(|id| stack.conn_mut(id)) {
            conn.close(None);
        }
    }

    fn carry_out(
        &mut self,
        step: Step,
        process: &mut Process,
        stack: &mut Stack,
        now: Instant,
    ) -> Progress {
        match step {
            Step::At(ms) => {
                let start = process.start.unwrap_or(now);
                self.wait_until(start + Duration::from_millis(ms), now)
            }
            Step::Think(ms) => self.wait_until(now + Duration::from_millis(ms), now),
            Step::Connect(..) | Step::ConnectFast(..) => self.connect(step, process, stack, now),
            Step::Accept | Step::AcceptFast => self.accept(process, stack),
            Step::Established => self.established(process, stack),
            Step::Request(fields) => self.send(|_| http::request(fields), process, stack),
            Step::Answer(fields) => self.send(
                |process| http::answer(fields, process.setting.body_len),
                process,
                stack,
            ),
            Step::Send(len) => self.send(|_| http::text(len), process, stack),
            Step::ReadRequest | Step::ReadAnswer | Step::ReadToEnd => {
                self.read(step, process, stack)
            }
            Step::KeepAlive(..) | Step::Shutdown | Step::Close | Step::Abort => {
                self.call(step, stack)
            }
            Step::Exit => {
                process.exited = true;
                Progress::Done
            }
        }
    }

    fn wait_until(&mut self, until: Instant, now: Instant) -> Progress {
        let until = *self.wake.get_or_insert(until);
        if now < until {
            return Progress::Waits;
        }
        self.wake = None;
        Progress::Done
    }

    fn connect(
        &mut self,
        step: Step,
        process: &mut Process,
        stack: &mut Stack,
        now: Instant,
    ) -> Progress {
        let (Step::Connect(from, to) | Step::ConnectFast(from, to)) = step else {
            return Progress::Failed;
        };
        let options = ConnectOptions {
            local_port: Some(from),
            fast_open: matches!(step, Step::ConnectFast(..)),
            ..ConnectOptions::default()
        };
        match stack.connect(now, SocketAddr::new(process.setting.peer, to), options) {
            Ok(id) => {
                self.conn = Some(id);
                Progress::Done
            }
            Err(error) => {
                process.note(format!("OPEN from port {from} fails: {error}"));
                Progress::Failed
            }
        }
    }

    fn accept(&mut self, process: &Process, stack: &mut Stack) -> Progress {
        self.conn = process.listener.and_then(|listener| stack.accept(listener));
        if self.conn.is_some() {
            Progress::Done
        } else {
            Progress::Waits
        }
    }

    fn established(&self, process: &mut Process, stack: &Stack) -> Progress {
        let Some(conn) = self.conn.and_then(|id| stack.conn(id)) else {
            return Progress::Failed;
        };
        if let Some(reason) = conn.close_reason() {
            process.note(format!("OPEN fails: {reason}"));
            return Progress::Failed;
        }
        if conn.state().is_synchronized() {
            Progress::Done
        } else {
            Progress::Waits
        }
    }

    fn send(
        &mut self,
        text: impl FnOnce(&Process) -> Vec<u8>,
        process: &mut Process,
        stack: &mut Stack,
    ) -> Progress {
        if self.outgoing.is_empty() {
            self.outgoing = text(process);
        }
        while !self.outgoing.is_empty() {
            let conn = self.conn.and_then(|id| stack.conn_mut(id));
            let Some(mut conn) = conn else {
                return Progress::Failed;
            };
            match conn.send(&[&self.outgoing]) {
                Ok(SendOutcome::Queued(len)) => drop(self.outgoing.drain(..len)),
                Ok(SendOutcome::WouldBlock) => return Progress::Waits,
                Err(error) => {
                    process.note(format!("SEND fails: {}", reason(&conn.as_conn(), &error)));
                    return Progress::Failed;
                }
            }
        }
        Progress::Done
    }

    fn read(&mut self, step: Step, process: &mut Process, stack: &mut Stack) -> Progress {
        loop {
            if self.take(step) {
                return Progress::Done;
            }
            let conn = self.conn.and_then(|id| stack.conn_mut(id));
            let Some(mut conn) = conn else {
                return Progress::Failed;
            };
            let mut block = [0; 4096];
            match conn.recv(&mut block) {
                Ok(RecvOutcome::Data(len)) => self.incoming.extend_from_slice(&block[..len]),
                Ok(RecvOutcome::WouldBlock) => return Progress::Waits,
                Ok(RecvOutcome::EndOfStream) if step == Step::ReadToEnd => {
                    return Progress::Done;
                }
                Ok(RecvOutcome::EndOfStream) => {
                    process.note("RECEIVE meets the end of stream too early");
                    return Progress::Failed;
                }
                Err(error) => {
                    let why = reason(&conn.as_conn(), &error);
                    process.note(format!("RECEIVE fails: {why}"));
                    return Progress::Failed;
                }
            }
        }
    }

    /// Takes what a step waits for out of what was read.
    fn take(&mut self, step: Step) -> bool {
        let wanted = match step {
            Step::ReadRequest => http::complete(&self.incoming, Message::Request),
            Step::ReadAnswer => http::complete(&self.incoming, Message::Answer),
            _ => {
                self.incoming.clear();
                None
            }
        };
        let Some(len) = wanted else { return false };
        self.incoming.drain(..len);
        true
    }

    fn call(&mut self, step: Step, stack: &mut Stack) -> Progress {
        let Some(mut conn) = self.conn.and_then(|id| stack.conn_mut(id)) else {
            return Progress::Failed;
        };
        match step {
            Step::KeepAlive(idle, interval, count) => {
                let mut options = conn.as_conn().options();
                options.keep_alive = Some(KeepAlive {
                    idle: Duration::from_secs(idle),
                    interval: Duration::from_secs(interval),
                    count,
                    octet: false,
                });
                if conn.set_options(options).is_err() {
                    return Progress::Failed;
                }
            }
            Step::Shutdown => conn.shutdown(Shutdown::Write),
            Step::Abort => {
                self.conn = None;
                conn.abort();
            }
            _ => {
                self.conn = None;
                conn.close(None);
            }
        }
        Progress::Done
    }
}

/// Why the connection is gone, or else what the call said.
fn reason(conn: &synfin_core::Conn<'_>, error: &dyn std::error::Error) -> String {
    conn.close_reason()
        .map_or_else(|| error.to_string(), |reason| reason.to_string())
}
