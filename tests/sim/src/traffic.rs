//! What passes between programs and the server: attempts, packets both ways, hanging up.
//!
//! Owns the moments at which something arrives, and who is there to take it.

use baton_client::CloseCause;
use baton_room::{Arrival, ResumeToken};
use baton_sync::control_channel::ClientMessage;
use baton_sync::y_websocket::{self, Message};
use bytes::Bytes;

use crate::content::Token;
use crate::flaw::Flaw;
use crate::net::{Conn, ConnNo, End, Packet};
use crate::people::{App, Body};
use crate::seen::Seen;
use crate::serve::id;
use crate::world::{Action, World};

impl World {
    /// A program's attempt reaches the server, or does not.
    pub(crate) fn attempt(&mut self, person: usize, attempt: u64) {
        let one = &self.people[person];
        let wanted = match &one.app {
            App::Tab(tab) => {
                tab.machine.attempt() == attempt
                    && tab.machine.phase() == baton_client::sans_io::ConnectionPhase::Connecting
            }
            App::Page(_) => self.page_wants(person, attempt),
            App::Away => false,
        };
        if !wanted || self.people[person].conn.is_some() {
            return;
        }
        let cut = self.people[person].cut;
        let wait = cut.0.max(cut.1).max(self.stalled);
        if self.now < wait {
            // Nothing answers: the packets are sent again until the program gives the attempt up.
            self.at(wait, Action::Attempt(person, attempt));
        } else if self.people[person].body != Body::Well {
            self.after(100, 1_000, Action::Attempt(person, attempt));
        } else if self.room.is_none() {
            // Nobody listens.
            self.program_lost(person, None);
        } else {
            self.connect(person);
        }
    }

    fn connect(&mut self, person: usize) {
        let conn = self.conns.len();
        self.conns.push(Conn::new(person, &mut self.random));
        self.tokens.push(ResumeToken::new(self.random.array()));
        self.people[person].conn = Some(conn);
        self.note("connects", person as u64, conn as u64);
        let rights = self.rights_of(person);
        self.serve(|room, _| {
            room.connect(id(conn), Arrival::new(rights).with_compression(true));
        });
        if self.people[person].tab().is_some() {
            self.with_tab(person, |machine, now| machine.opened(now));
        } else {
            self.page_opened(person);
        }
    }

    /// A program is told that its connection, or its attempt, is over.
    pub(crate) fn program_lost(&mut self, person: usize, code: Option<u16>) {
        self.people[person].conn = None;
        self.people[person].inbox.clear();
        self.drop_before(person);
        if self.people[person].tab().is_some() {
            let reason = "the connection ended".to_owned();
            let cause = match code {
                Some(code) => CloseCause::Closed { code, reason },
                None => CloseCause::Network(reason),
            };
            self.with_tab(person, |machine, now| machine.lost(now, cause));
        } else {
            self.page_lost(person, code);
        }
    }

    /// A program lets go of its connection. The server sees it when that arrives, if it does.
    pub(crate) fn hang_up(&mut self, person: usize) {
        self.drop_before(person);
        if let Some(conn) = self.people[person].conn.take() {
            self.people[person].inbox.clear();
            self.abandon(conn);
        }
    }

    /// Another connection will take the place of this one, which is kept until then.
    pub(crate) fn replace(&mut self, person: usize) {
        if let Some(conn) = self.people[person].conn.take() {
            self.drop_before(person);
            self.people[person].inbox.clear();
            self.people[person].before = Some(conn);
        }
    }

    /// The connection that was replaced is of no more use.
    pub(crate) fn drop_before(&mut self, person: usize) {
        if let Some(conn) = self.people[person].before.take() {
            self.abandon(conn);
        }
    }

    fn abandon(&mut self, conn: ConnNo) {
        if self.conns[conn].client == End::Open {
            self.send(conn, Packet::Close(None));
            self.conns[conn].client = End::Closed;
        }
    }

    /// A program sends.
    pub(crate) fn send_up(&mut self, person: usize, packet: Packet) {
        let Some(conn) = self.people[person].conn else {
            return;
        };
        if let Packet::Frame(frame) = &packet {
            match y_websocket::decode(frame) {
                Ok(Message::Step2(update) | Message::Update(update)) => {
                    self.conns[conn].synced_up.push(Token::all_in(update));
                }
                Ok(Message::Baton(payload)) => {
                    if let Ok(message) = ClientMessage::decode(payload) {
                        self.see(&Seen::Asked {
                            conn,
                            message: &message,
                        });
                    }
                }
                _ => {}
            }
        }
        self.send(conn, packet);
    }

    fn send(&mut self, conn: ConnNo, packet: Packet) {
        let person = self.conns[conn].person;
        let held = self.people[person].cut.0;
        let lane = &mut self.conns[conn].up;
        if let Some(at) = lane.send(packet, self.now, &mut self.random) {
            self.at(at.max(held), Action::Up(conn));
        }
    }

    /// The server sends.
    pub(crate) fn send_down(&mut self, conn: ConnNo, packet: Packet) {
        if self.conns[conn].server == End::Closed && !matches!(packet, Packet::Close(None)) {
            return;
        }
        let person = self.conns[conn].person;
        let held = self.people[person].cut.1;
        let swap = self.options.flaw == Flaw::OvertakingFrames && self.random.chance(10);
        let lane = &mut self.conns[conn].down;
        let sent = lane.send(packet, self.now, &mut self.random);
        if swap {
            lane.overtake();
        }
        if let Some(at) = sent {
            self.at(at.max(held), Action::Down(conn));
        }
    }

    /// Something arrives at the server.
    pub(crate) fn arrive_up(&mut self, conn: ConnNo) {
        let person = self.conns[conn].person;
        let late = self.people[person].cut.0.max(self.stalled);
        if self.now < late {
            self.at(late, Action::Up(conn));
            return;
        }
        match self.conns[conn].up.arrive(self.now) {
            Err(later) => self.at(later, Action::Up(conn)),
            Ok(None) => {}
            Ok(Some(packet)) => {
                self.note_packet("up", conn, &packet);
                self.server_gets(conn, &packet);
            }
        }
    }

    /// Something arrives at a program.
    pub(crate) fn arrive_down(&mut self, conn: ConnNo) {
        let person = self.conns[conn].person;
        let late = self.people[person].cut.1;
        if self.now < late {
            self.at(late, Action::Down(conn));
            return;
        }
        match self.conns[conn].down.arrive(self.now) {
            Err(later) => self.at(later, Action::Down(conn)),
            Ok(None) => {}
            Ok(Some(packet)) => {
                if self.people[person].conn != Some(conn) {
                    return;
                }
                self.note_packet("down", conn, &packet);
                match self.people[person].body {
                    Body::Well => self.program_gets(person, packet),
                    Body::Asleep(_) => self.people[person].inbox.push_back(packet),
                    Body::Frozen => self.browser_gets(person, packet),
                }
            }
        }
    }

    /// The page's loop stands still; the browser does what it can without it.
    fn browser_gets(&mut self, person: usize, packet: Packet) {
        match packet {
            Packet::Ping => return self.send_up(person, Packet::Pong),
            Packet::Probe(mark) => return self.send_up(person, Packet::Probed(mark)),
            _ => {}
        }
        if self.options.flaw == Flaw::PongsAreAnswers
            && let Packet::Frame(frame) = &packet
            && let Some(n) = beat(frame)
        {
            let answer = ClientMessage::Answer {
                n,
                visible: true,
                idle_ms: 0,
            };
            let answer = y_websocket::baton(&answer.encode());
            self.send_up(person, Packet::Frame(answer));
        }
        self.people[person].inbox.push_back(packet);
    }

    /// A program takes a packet in.
    pub(crate) fn program_gets(&mut self, person: usize, packet: Packet) {
        let tab = self.people[person].tab().is_some();
        match packet {
            Packet::Frame(frame) if tab => {
                self.with_tab(person, |machine, now| machine.frame(now, &frame));
            }
            Packet::Frame(frame) => self.page_frame(person, &frame),
            Packet::Ping => {
                self.send_up(person, Packet::Pong);
                if tab {
                    self.with_tab(person, |machine, now| machine.heard(now));
                }
            }
            Packet::Probe(mark) => self.send_up(person, Packet::Probed(mark)),
            Packet::Pong | Packet::Probed(_) => {}
            Packet::Close(code) => {
                if let Some(conn) = self.people[person].conn {
                    self.conns[conn].client = End::Closed;
                }
                self.program_lost(person, code);
            }
        }
    }

    /// A program's timer is through.
    pub(crate) fn timer(&mut self, person: usize) {
        let one = &mut self.people[person];
        if one.timer.is_none_or(|at| self.now < at) || one.body != Body::Well {
            return;
        }
        one.timer = None;
        if one.tab().is_some() {
            self.with_tab(person, |machine, now| machine.timeout(now));
        } else {
            self.page_timer(person);
        }
    }

    fn note_packet(&mut self, way: &'static str, conn: ConnNo, packet: &Packet) {
        let person = self.conns[conn].person as u64;
        match packet {
            Packet::Frame(frame) => self.note_bytes(way, person, conn as u64, frame),
            Packet::Ping | Packet::Pong | Packet::Probe(_) | Packet::Probed(_) => {}
            Packet::Close(code) => {
                let what = if way == "up" { "hangs up" } else { "is closed" };
                let code = code.map_or_else(String::new, |code| code.to_string());
                self.note_bytes(what, person, conn as u64, &Bytes::from(code));
            }
        }
    }
}

fn beat(frame: &[u8]) -> Option<u64> {
    let Ok(Message::Baton(payload)) = y_websocket::decode(frame) else {
        return None;
    };
    match baton_sync::control_channel::ServerMessage::decode(payload) {
        Ok(baton_sync::control_channel::ServerMessage::Beat { n, .. }) => Some(n),
        _ => None,
    }
}
