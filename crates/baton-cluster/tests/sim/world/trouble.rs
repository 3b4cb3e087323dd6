//! Cuts, outages, crashes, stops, and streams that lose their end.

use super::*;

impl World {
    pub(super) fn fault(&mut self) {
        let pause = self.random.millis(500, 9_000);
        if self.now + pause < Time::ZERO + TROUBLE {
            self.after(pause, Event::Fault);
        }
        let node = self.random.below(NODES);
        match self.random.below(10) {
            0..3 => {
                let link = *self.random.pick(&[Link::Cut, Link::Deaf, Link::Mute]);
                let longest = if self.random.one_in(3) { 35_000 } else { 6_000 };
                let lasts = self.random.millis(500, longest);
                if self.places[node].link == Link::Up {
                    self.note(|| format!("node {node} is {link:?} for {lasts:?}"));
                    self.places[node].link = link;
                    self.count("cuts");
                    self.after(lasts, Event::Heal { node });
                }
            }
            3..5 => {
                let stream = self.random.below(STREAMS);
                self.engine_down(Some(stream));
            }
            5 => self.engine_down(None),
            6 if !self.loses_tails => self.crash(node),
            7 => {
                let lasts = self.random.millis(200, 12_000);
                self.note(|| format!("node {node} is stopped for {lasts:?}"));
                let until = self.now + lasts;
                self.places[node].asleep = self.places[node].asleep.max(until);
                self.count("stops");
            }
            8 if self.loses_tails => self.lose_tail(),
            _ => {
                // The bucket of leases alone.
                if self.bucket_up {
                    self.bucket_up = false;
                    let lasts = self.random.millis(500, 11_000);
                    self.after(
                        lasts,
                        Event::EngineUp {
                            stream: None,
                            again: false,
                        },
                    );
                }
            }
        }
    }

    fn crash(&mut self, node: usize) {
        let now = self.now;
        if self.places[node].node.take().is_some() {
            let boot = self.places[node].boot;
            self.note(|| format!("{boot} dies"));
            self.lives.entry(boot).or_default().died = Some(now);
            self.current.retain(|(of, _)| *of != node);
            self.count("crashes");
            let away = self.random.millis(100, 40_000);
            self.after(away, Event::Restart { node });
        }
    }

    /// A leader changes, or all servers are down.
    fn engine_down(&mut self, stream: Option<u16>) {
        let longest = if stream.is_some() { 7_000 } else { 12_000 };
        let lasts = self.random.millis(200, longest);
        self.note(|| format!("stream {stream:?} is down for {lasts:?}"));
        for (index, up) in self.stream_up.iter_mut().enumerate() {
            if stream.is_none_or(|stream| usize::from(stream) == index) {
                *up = false;
            }
        }
        if stream.is_none() {
            self.bucket_up = false;
        }
        self.count("outages");
        let again = self.random.one_in(3);
        self.after(lasts, Event::EngineUp { stream, again });
    }

    pub(super) fn engine_up(&mut self, stream: Option<u16>, again: bool) {
        for index in 0..usize::from(STREAMS) {
            if stream.is_none_or(|stream| usize::from(stream) == index) {
                self.stream_up[index] = true;
            }
        }
        if stream.is_none() {
            self.bucket_up = true;
        }
        for node in 0..NODES {
            self.reconnect(node);
        }
        if again && self.now < Time::ZERO + TROUBLE {
            // The second outage, at the moment of healing.
            self.count("double outages");
            self.engine_down(stream);
        }
    }

    pub(super) fn heal(&mut self, node: usize) {
        self.places[node].link = Link::Up;
        self.note(|| format!("node {node} is back"));
        self.reconnect(node);
    }

    /// Consumers of before the cut are gone; the watch shows all keys again.
    fn reconnect(&mut self, node: usize) {
        let boot = self.places[node].boot;
        let consumers = std::mem::take(&mut self.places[node].consumers);
        for (stream, consumer) in consumers {
            let generation = consumer.generation;
            self.reply(node, boot, Reply::ConsumerFailed { stream, generation });
        }
        self.show_bucket(node);
    }

    fn lose_tail(&mut self) {
        let stream = self.random.below(STREAMS);
        let index = usize::from(stream);
        let last = self.streams[index].last();
        let end = last.saturating_sub(self.random.within(1..15));
        // An end that is older than the delay of purges may take the mark of a purge with it.
        let oldest = self.streams[index]
            .messages
            .get(end as usize)
            .map(|message| message.at);
        let is_old = oldest.is_none_or(|at| self.now.since(at) > Duration::from_secs(2));
        // The first messages stay: a node that starts must find its own probe.
        if is_old || end < 20 || self.now + Duration::from_secs(10) > Time::ZERO + TROUBLE {
            return;
        }
        self.note(|| format!("stream {stream} loses {}..={last}", end + 1));
        self.count("lost ends");
        let lost = self.streams[index].lose(end);
        let mut history = Histories::of_lossy_stream();
        for message in &self.streams[index].messages {
            history.stored(message);
        }
        self.histories[index] = history;
        for (node, place) in self.places.iter().enumerate() {
            let delivered = place.node.as_ref().map_or(0, |node| node.position(stream));
            if delivered > end {
                let seen = lost.iter().filter(|message| message.sequence <= delivered);
                let deceived = self.deceived.entry((node, stream)).or_default();
                deceived.extend(seen.cloned());
                let names = &self.names;
                let of =
                    |key: &DocumentKey| names.iter().any(|(_, of, at)| of == key && *at == stream);
                self.current.retain(|(at, key)| *at != node || !of(key));
            }
        }
        self.epoch += 1;
        let purges = |event: &Event| {
            let request = match event {
                Event::Request { request, .. } => request,
                _ => return false,
            };
            matches!(request, Request::Purge { .. } | Request::Tail { .. })
        };
        self.events.retain(|_, event| !purges(event));
        for node in 0..NODES {
            self.reconnect(node);
        }
    }

    pub(super) fn heal_all(&mut self) {
        self.note(|| "all heals".to_owned());
        self.bucket_up = true;
        self.stream_up.fill(true);
        for node in 0..NODES {
            if self.places[node].node.is_none() {
                self.start(node);
            }
            self.heal(node);
        }
    }
}
