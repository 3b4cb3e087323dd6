//! Requests on their way to the engine, and its answers.

use super::*;
use baton_cluster::core::MessageContent;

impl World {
    pub(super) fn send(&mut self, node: usize, boot: BootId, request: Request) {
        if let Request::Batch {
            stream, messages, ..
        } = &request
        {
            self.check_sent(*stream, boot, messages);
        }
        let lost = matches!(self.places[node].link, Link::Cut | Link::Mute);
        let mut delay = self.latency();
        if lost {
            // A client's library may hold what is published, and send it late.
            let late = matches!(request, Request::Batch { .. } | Request::Mark { .. });
            if !late || self.random.chance(60) {
                return;
            }
            delay = self.random.millis(100, 25_000);
            self.count("late writes");
        } else if self.goes_wrong(300) {
            return;
        }
        self.after(
            delay,
            Event::Request {
                node,
                boot,
                request,
            },
        );
    }

    pub(super) fn reply(&mut self, node: usize, boot: BootId, reply: Reply) {
        let lost = matches!(self.places[node].link, Link::Cut | Link::Deaf);
        if lost || self.goes_wrong(300) {
            self.count("lost answers");
            return;
        }
        let (delay, epoch) = (self.latency(), self.epoch);
        self.after(
            delay,
            Event::Reply {
                node,
                boot,
                epoch,
                reply,
            },
        );
        if self.random.one_in(100) {
            self.count("answers");
        }
    }

    /// True once in so many times, as long as there is trouble.
    fn goes_wrong(&mut self, times: u32) -> bool {
        let trouble = self.now < Time::ZERO + TROUBLE + Duration::from_secs(10);
        trouble && self.random.one_in(times)
    }

    /// A time in the past: what a server that is behind has.
    fn stale_time(&mut self) -> Time {
        let behind = match self.random.below(10) {
            0..7 => Duration::ZERO,
            7..9 => self.random.millis(0, 300),
            _ => self.random.millis(0, 4_000),
        };
        Time(self.now.0.saturating_sub(behind))
    }

    /// Operations of a stream that a server which is behind has applied.
    fn stale_view(&mut self, stream: u16) -> u64 {
        let operations = self.streams[usize::from(stream)].operations;
        let behind = match self.random.below(10) {
            0..5 => 0,
            5..8 => self.random.below(10),
            _ => self.random.below(600),
        };
        if behind > 0 {
            self.count("stale reads");
        }
        operations.saturating_sub(behind)
    }

    pub(super) fn arrive(&mut self, node: usize, boot: BootId, request: Request) {
        match request {
            Request::Batch {
                stream,
                number,
                attempt,
                messages,
            } => {
                self.batch_arrives(node, boot, (stream, number, attempt), &messages);
            }
            Request::Mark {
                key,
                expected,
                message,
            } => {
                let stream = self.stream_of(&key);
                let answer = match self.publish(stream, boot, &[message], Some(expected)) {
                    None => MarkAnswer::Unknown,
                    Some(Published::Conflict) => MarkAnswer::Conflict,
                    Some(_) => MarkAnswer::Stored,
                };
                self.reply(node, boot, Reply::Mark { key, answer });
            }
            Request::Proclaim {
                stream,
                expected,
                message,
            } => {
                self.publish(stream, boot, &[message], Some(expected));
            }
            Request::Tail {
                key,
                after,
                first_page,
                is_last,
            } => {
                self.tail_arrives(node, boot, key, after, first_page, is_last);
            }
            Request::Purge {
                key,
                records,
                marks,
            } => {
                let stream = self.stream_of(&key);
                if self.stream_up[usize::from(stream)] {
                    self.count("purges");
                    self.streams[usize::from(stream)].purge(&key, records, marks);
                    self.reply(node, boot, Reply::Purged { key });
                }
            }
            Request::Subscribe {
                stream,
                generation,
                from,
                scope,
            } => {
                if self.places[node].boot != boot {
                    return;
                }
                if !self.stream_up[usize::from(stream)] {
                    self.reply(node, boot, Reply::ConsumerFailed { stream, generation });
                    return;
                }
                let (next, number, arrival) = (from, 0, self.now);
                let consumer = Consumer {
                    generation,
                    next,
                    number,
                    scope,
                    arrival,
                };
                self.places[node].consumers.insert(stream, consumer);
                let view = self.stale_view(stream);
                let messages = self.streams[usize::from(stream)].view(0, view);
                let last = messages.last().map_or(0, |message| message.sequence);
                self.reply(node, boot, Reply::StreamEnds { stream, last });
                self.pump(node, stream);
            }
            request @ (Request::Renew { .. } | Request::DeleteLease { .. }) => {
                self.lease_arrives(boot, &request);
            }
            request => self.object_arrives(node, boot, request),
        }
    }

    fn object_arrives(&mut self, node: usize, boot: BootId, request: Request) {
        match request {
            Request::Put { key, at, stored } => {
                // A store that lies is a fault of the store; reading back finds it.
                if self.random.one_in(20) {
                    self.count("puts that were lost");
                    if self.flaw == Flaw::NoReadBack {
                        self.unstored.insert((key.clone(), at), stored);
                    }
                } else {
                    self.objects.put(&key, at, stored, self.now);
                }
                let answer = PutAnswer::Present;
                self.reply(node, boot, Reply::Put { key, answer });
            }
            Request::ReadBack { key, at } => {
                let seen = self.stale_time();
                let mut stored = self.objects.get(&key, at, seen);
                if stored.is_none() {
                    stored = self.unstored.get(&(key.clone(), at)).cloned();
                }
                self.reply(node, boot, Reply::ReadBack { key, stored });
            }
            Request::List { key } => {
                let seen = self.stale_time();
                let positions = self.objects.list(&key, seen);
                self.reply(node, boot, Reply::Listed { key, positions });
            }
            Request::Fetch { key, at } => {
                let seen = self.stale_time();
                let stored = self.objects.get(&key, at, seen);
                let snapshot = stored.map_or(FetchedSnapshot::Missing, |stored| {
                    SnapshotEnvelope::decode(&stored).map_or(FetchedSnapshot::Damaged, |whole| {
                        FetchedSnapshot::Whole(Box::new(whole))
                    })
                });
                self.reply(node, boot, Reply::Fetched { key, at, snapshot });
            }
            Request::DeleteBelow { key, at } => {
                self.objects
                    .delete(&key, self.now, |position| position < at);
            }
            Request::Delete { key, at } => {
                self.objects
                    .delete(&key, self.now, |position| position == at);
            }
            _ => {}
        }
    }

    fn lease_arrives(&mut self, boot: BootId, request: &Request) {
        match *request {
            Request::Renew { number, expected } => {
                if self.bucket_up
                    && let Some(change) = self.bucket.write(boot, Some(number), expected)
                {
                    let now = self.now;
                    self.lives.entry(boot).or_default().renewals.push(now);
                    self.show_all(change);
                }
            }
            Request::DeleteLease { boot, revision } => {
                if self.bucket_up
                    && let Some(change) = self.bucket.write(boot, None, Some(revision))
                {
                    let now = self.now;
                    self.lives.entry(boot).or_default().deleted = Some(now);
                    self.show_all(change);
                }
            }
            _ => {}
        }
    }

    fn batch_arrives(
        &mut self,
        node: usize,
        boot: BootId,
        (stream, number, attempt): (u16, u64, u32),
        messages: &[OutgoingMessage],
    ) {
        let mut messages = messages;
        if self.flaw == Flaw::SplitBatch && messages.len() > 1 && self.random.one_in(20) {
            messages = &messages[..messages.len() / 2];
        }
        let answer = match self.publish(stream, boot, messages, None) {
            None if self.random.one_in(2) => return,
            None | Some(Published::Conflict) => BatchAnswer::Unknown,
            Some(Published::Stored { first, last }) => BatchAnswer::Stored { first, last },
            Some(Published::Duplicate) => {
                self.count("duplicates");
                BatchAnswer::Duplicate
            }
        };
        self.reply(
            node,
            boot,
            Reply::Batch {
                stream,
                number,
                attempt,
                answer,
            },
        );
    }

    fn tail_arrives(
        &mut self,
        node: usize,
        boot: BootId,
        key: DocumentKey,
        after: u64,
        first_page: Vec<baton_cluster::core::Delivered>,
        is_last: bool,
    ) {
        let stream = self.stream_of(&key);
        let view = self.stale_view(stream);
        let from = first_page.last().map_or(after, |message| message.sequence) + 1;
        let own = |subject: &Subject| subject.document() == Some(&key);
        let messages = self.streams[usize::from(stream)].view(from, view);
        let mut page: Vec<_> = messages
            .filter(|message| own(&message.subject))
            .map(Message::delivered)
            .collect();
        let mut all = first_page;
        if !is_last && page.len() > 4 && self.random.one_in(3) {
            // The rest comes from another server.
            page.truncate(page.len() / 2);
            all.extend(page);
            let delay = self.random.millis(0, 200);
            let request = Request::Tail {
                key,
                after,
                first_page: all,
                is_last: true,
            };
            self.after(
                delay,
                Event::Request {
                    node,
                    boot,
                    request,
                },
            );
            return;
        }
        all.extend(page);
        let messages = Some(all);
        self.reply(node, boot, Reply::Tail { key, messages });
    }

    /// Publishes at the engine; `None` if it is down.
    fn publish(
        &mut self,
        stream: u16,
        boot: BootId,
        messages: &[OutgoingMessage],
        expected: Option<u64>,
    ) -> Option<Published> {
        let index = usize::from(stream);
        if !self.stream_up[index] {
            return None;
        }
        let published = self.streams[index].publish(messages, expected, self.now);
        if let Published::Stored { first, .. } = published {
            let now = self.now;
            self.lives
                .entry(boot)
                .or_default()
                .stored
                .insert(stream, now);
            let mut wrong = Vec::new();
            let new = &self.streams[index].messages;
            let begin = new.partition_point(|message| message.sequence < first);
            for message in &new[begin..] {
                if let Some(text) = self.histories[index].stored(message) {
                    wrong.push(text);
                }
            }
            for text in wrong {
                self.fail(text);
            }
            self.note(|| {
                let ids = messages.iter().map(|message| &message.message_id[..]);
                let ids = ids.collect::<Vec<_>>().join(" ");
                format!(
                    "{boot} stores {first}+{} in {stream}: {ids}",
                    messages.len()
                )
            });
            for node in 0..NODES {
                self.pump(node, stream);
            }
        }
        Some(published)
    }

    /// Sends a consumer what it has not had.
    pub(super) fn pump(&mut self, node: usize, stream: u16) {
        let index = usize::from(stream);
        let linked = self.places[node].link == Link::Up || self.places[node].link == Link::Mute;
        if !linked || !self.stream_up[index] {
            return;
        }
        let Some(mut consumer) = self.places[node].consumers.remove(&stream) else {
            return;
        };
        let boot = self.places[node].boot;
        let messages = self.streams[index].view(consumer.next, u64::MAX);
        let control = |subject: &Subject| subject.document().is_none();
        let messages: Vec<_> = messages
            .filter(|message| {
                consumer.scope == ConsumerScope::Everything || control(&message.subject)
            })
            .cloned()
            .collect();
        for message in messages {
            consumer.next = message.sequence + 1;
            consumer.number += 1;
            let arrival = self.now + self.latency();
            consumer.arrival = consumer.arrival.max(arrival);
            if self.goes_wrong(150) {
                self.count("messages that a consumer lost");
                continue;
            }
            let reply = Reply::Message {
                stream,
                generation: consumer.generation,
                number: consumer.number,
                sequence: message.sequence,
                subject: message.subject,
                payload: message.payload,
            };
            let epoch = self.epoch;
            self.at(
                consumer.arrival,
                Event::Reply {
                    node,
                    boot,
                    epoch,
                    reply,
                },
            );
        }
        self.places[node].consumers.insert(stream, consumer);
    }

    pub(super) fn heartbeats(&mut self) {
        self.after(Duration::from_secs(2), Event::Heartbeats);
        for node in 0..NODES {
            for stream in 0..STREAMS {
                self.pump(node, stream);
                let up = self.stream_up[usize::from(stream)];
                let place = &self.places[node];
                let linked = place.link == Link::Up || place.link == Link::Mute;
                let Some(consumer) = place.consumers.get(&stream).filter(|_| linked && up) else {
                    continue;
                };
                let (generation, number) = (consumer.generation, consumer.number);
                let (at, boot, epoch) = (consumer.arrival.max(self.now), place.boot, self.epoch);
                let reply = Reply::Heartbeat {
                    stream,
                    generation,
                    number,
                };
                self.at(
                    at,
                    Event::Reply {
                        node,
                        boot,
                        epoch,
                        reply,
                    },
                );
            }
        }
    }

    fn show_all(&mut self, change: Change) {
        for node in 0..NODES {
            self.show(node, change);
        }
    }

    /// A watch that begins, or begins again: the newest change of each key, by revision.
    pub(super) fn show_bucket(&mut self, node: usize) {
        for change in self.bucket.changes() {
            self.show(node, change);
        }
    }

    /// Shows a change in the watch of a node; one that is cut off sees it when it is back.
    fn show(&mut self, node: usize, change: Change) {
        let linked = matches!(self.places[node].link, Link::Up | Link::Mute);
        if !linked || self.places[node].node.is_none() {
            return;
        }
        let arrival = self.now + self.latency();
        let place = &mut self.places[node];
        place.watch_arrival = place.watch_arrival.max(arrival);
        let (at, boot, epoch) = (place.watch_arrival, place.boot, self.epoch);
        let reply = Reply::Lease(change);
        self.at(
            at,
            Event::Reply {
                node,
                boot,
                epoch,
                reply,
            },
        );
    }

    /// A batch that is sent long after its first attempt must be known not to be stored.
    fn check_sent(&mut self, stream: u16, boot: BootId, messages: &[OutgoingMessage]) {
        for message in messages {
            let name = (stream, message.message_id.clone());
            let first = *self.first_sent.entry(name).or_insert(self.now);
            if self.now.since(first) < WINDOW / 2 || message.subject.document().is_none() {
                continue;
            }
            if self.looked.contains(&(stream, message.message_id.clone())) {
                continue;
            }
            let looked = self.streams[usize::from(stream)]
                .messages
                .iter()
                .any(|stored| {
                    let delivered = stored.delivered();
                    let name = (stream, stored.message_id.clone());
                    delivered.envelope.id.boot == boot
                        && matches!(delivered.envelope.content, MessageContent::Probe)
                        && self.first_sent.get(&name).is_some_and(|sent| *sent > first)
                });
            // The probe may be lost with an end after it was delivered.
            if !looked && !self.loses_tails {
                let id = &message.message_id;
                self.fail(format!("{id} is sent past the window without a look"));
                return;
            }
            self.looked.insert((stream, message.message_id.clone()));
            self.count("sent again after a look");
        }
    }
}
