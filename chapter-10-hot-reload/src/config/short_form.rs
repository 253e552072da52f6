//! The short form as the full form that it stands for.
//!
//! Each value keeps the place of what it was made from. What has to be there and was not written has an empty span.

use super::{
    jsonc::{Data, Member, Object, Value},
    schema::keys::GROUP_KEYS,
    source::Span,
};

/// The full form of a document in the short form, which has been checked. `span`: the document.
pub(super) fn expand(short: &Object, span: Span) -> Object {
    Expansion { short, unwritten: span.before() }.expand()
}

struct Expansion<'a> {
    short: &'a Object,
    /// The span of what nobody wrote.
    unwritten: Span,
}

impl Expansion<'_> {
    fn expand(&self) -> Object {
        let mut full = Vec::new();
        full.push(member("listeners", self.object(vec![member("default", self.listener())])));
        full.push(member("groups", self.object(vec![member("default", self.group())])));
        let to_default = self.object(vec![member("group", self.text("default"))]);
        full.push(member("routes", Value { span: self.unwritten, data: Data::Array(vec![to_default]) }));
        full.extend(self.timeouts());
        full.extend(self.limits());
        full.extend(self.renamed("drain_timeout", "drain", |seconds| format!("{seconds}s")));
        let is_short = |key: &str| {
            [
                "listen_port",
                "bind_address",
                "backlog",
                "backends",
                "pool",
                "rate_limit",
                "timeouts",
                "drain_timeout",
                "limits",
            ]
            .contains(&key)
                || GROUP_KEYS.contains(&key)
        };
        full.extend(self.short.0.iter().filter(|member| !is_short(&member.key)).cloned());
        Object(full)
    }

    fn object(&self, members: Vec<Member>) -> Value {
        Value { span: self.unwritten, data: Data::Object(Object(members)) }
    }

    fn text(&self, text: &str) -> Value {
        Value { span: self.unwritten, data: Data::Text(text.to_owned()) }
    }

    fn listener(&self) -> Value {
        let (port, ip) = (self.short.get("listen_port"), self.short.get("bind_address"));
        let number = port.and_then(Value::as_integer).unwrap_or(8080);
        let bind = ip.and_then(Value::as_text).unwrap_or("127.0.0.1");
        let bare = bind.trim_start_matches('[').trim_end_matches(']');
        let address = if bare.contains(':') { format!("[{bare}]:{number}") } else { format!("{bare}:{number}") };
        let span = port.or(ip).map_or(self.unwritten, |value| value.span);
        let address = member("address", Value { span, data: Data::Text(address) });
        self.object(std::iter::once(address).chain(self.short.member("backlog").cloned()).collect())
    }

    fn group(&self) -> Value {
        let mut members: Vec<_> = self.short.member("backends").cloned().into_iter().collect();
        members.extend(GROUP_KEYS.iter().filter_map(|key| self.short.member(key).cloned()));
        if let Some(pool) = self.short.get("pool").and_then(Value::as_object) {
            let same = pool.get("max_size").map(|value| member("idle_per_backend", value.clone()));
            let age = pool.get("ttl").map(|value| with_unit(value, "max_age", "s"));
            members.push(member("pool", self.object(same.into_iter().chain(age).collect())));
        }
        self.object(members)
    }

    fn renamed(&self, key: &str, full: &str, value: impl Fn(u64) -> String) -> Option<Member> {
        let number = self.short.get(key)?;
        let data = Data::Text(value(number.as_integer()?));
        Some(member(full, Value { span: number.span, data }))
    }

    fn timeouts(&self) -> Option<Member> {
        let timeouts = self.short.get("timeouts")?.as_object()?;
        let full =
            [("connect", "connect"), ("read", "first_byte"), ("read", "stream"), ("write", "body"), ("idle", "idle")];
        let members = full.into_iter().filter_map(|(key, name)| Some(with_unit(timeouts.get(key)?, name, "ms")));
        Some(member("timeouts", self.object(members.collect())))
    }

    /// The limits of `rate_limit`, before those that are written out.
    fn limits(&self) -> Option<Member> {
        let rates = self.short.get("rate_limit").and_then(Value::as_object);
        let limit = |key: &str| {
            let rate = rates?.get(key)?;
            let global = Value { span: self.unwritten, data: Data::Bool(true) };
            let mut members = vec![with_unit(rate, "rate", "/s")];
            members.extend(rates?.member("burst").cloned());
            if key == "global" {
                members.push(member("by", self.text("global")));
            }
            members.push(member("global", global));
            Some(member(key, self.object(members)))
        };
        let mut limits: Vec<_> = ["per_ip", "global"].into_iter().filter_map(limit).collect();
        limits.extend(
            self.short.get("limits").and_then(Value::as_object).into_iter().flat_map(|named| named.0.iter().cloned()),
        );
        (!limits.is_empty()).then(|| member("limits", self.object(limits)))
    }
}

fn member(key: &str, value: Value) -> Member {
    Member { key: key.to_owned(), key_span: value.span, value }
}

/// A number of the short form as the text with a unit that it means.
fn with_unit(number: &Value, key: &str, unit: &str) -> Member {
    let data = match number.as_integer() {
        Some(count) => Data::Text(format!("{count}{unit}")),
        None => Data::Invalid,
    };
    member(key, Value { span: number.span, data })
}
