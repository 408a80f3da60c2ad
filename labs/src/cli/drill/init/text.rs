//! The text of a new drill.toml, from a few answers.
//!
//! Every answer becomes a string in quotes, so that none can be anything else; what was not
//! answered is shown as a comment, or as usual where the file needs it.

/// What an answer is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Address,
    Key,
    Chain,
    Trust,
    Crl,
    Caller,
    Call,
    Stream,
    Reload,
    Start,
    Settle,
}

/// What was answered so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answers {
    pub(super) said: Vec<(Field, String)>,
    pub(super) swap: Option<&'static str>,
}

impl Answers {
    /// Notes an answer.
    pub(super) fn set(&mut self, field: Field, said: &str) {
        self.said.retain(|(other, _)| *other != field);
        self.said.push((field, said.to_owned()));
    }

    /// Whether there is one.
    pub(super) fn has(&self, field: Field) -> bool {
        self.of(field).is_some()
    }

    fn of(&self, field: Field) -> Option<&str> {
        let mut said = self.said.iter();
        let found = said.find(|(other, _)| *other == field);
        found.map(|(_, said)| said.as_str())
    }

    fn quoted(&self, field: Field, usual: &str) -> String {
        quoted(self.of(field).unwrap_or(usual))
    }

    /// The whole file.
    pub(super) fn text(&self) -> String {
        [
            self.target(),
            self.files(),
            self.caller(),
            self.calls(),
            rest(),
        ]
        .concat()
    }

    fn target(&self) -> String {
        let start = match self.of(Field::Start) {
            Some(command) => format!("start = {}\n", argv(command)),
            None => "# start = [\"./orders\"]   # the drill starts and ends it; else it runs\n"
                .to_owned(),
        };
        format!(
            "# What `schism drill` is told of a service. Commands are lists of arguments and no\n\
             # shell reads them; paths start from this file's folder.\n\
             format = 1\n\n\
             [target]\n\
             address = {address}\n\
             {start}\
             # The command that makes it read its files again; [] if it watches them.\n\
             reload = {reload}\n\
             # How long a change may take to reach it: about 120s for a mounted secret.\n\
             settle = {settle}\n\
             # Names in its certificate, if they are not the host of `address`:\n\
             # dns = [\"orders.shop\"]\n\
             # uri = \"spiffe://shop.example/orders\"\n",
            address = self.quoted(Field::Address, "localhost:8443"),
            reload = self.of(Field::Reload).map_or("[]".to_owned(), argv),
            settle = self.quoted(Field::Settle, "10s"),
        )
    }

    fn files(&self) -> String {
        let crl = match self.of(Field::Crl) {
            Some(path) => format!("crl = {}\n", quoted(path)),
            None => "# crl = \"tls/ca.crl\"       # revocation lists, if it reads any\n".to_owned(),
        };
        format!(
            "\n[files]\n\
             # What it reads. A file can have a mode, an owner (numbers) and a form:\n\
             # key = {{ path = \"tls/tls.key\", mode = \"0640\", owner = \"101:101\", \
             form = \"sec1\" }}\n\
             key = {key}\n\
             chain = {chain}\n\
             trust = {trust}\n\
             {crl}\
             # How new ones take their place: \"rename\", \"symlink\" (Kubernetes), \"in-place\";\n\
             # or a command that takes them there: deliver = [\"kubectl\", \"apply\", ...]\n\
             swap = \"{swap}\"\n",
            key = self.quoted(Field::Key, "tls/tls.key"),
            chain = self.quoted(Field::Chain, "tls/tls.crt"),
            trust = self.quoted(Field::Trust, "tls/ca.crt"),
            swap = self.swap.unwrap_or("rename"),
        )
    }

    fn caller(&self) -> String {
        let name = self
            .of(Field::Caller)
            .unwrap_or("spiffe://shop.example/cart");
        let kind = if name.contains(':') { "uri" } else { "dns" };
        let name = quoted(name);
        format!(
            "\n[caller]\n\
             # A name that it lets in.\n\
             {kind} = {name}\n\
             # Names that it must refuse although their certificate is good:\n\
             # refused-uris = [\"spiffe://shop.example/other\"]\n"
        )
    }

    fn calls(&self) -> String {
        let allowed = call(self.of(Field::Call).unwrap_or("GET /"));
        let stream = match self.of(Field::Stream) {
            Some(said) => format!("stream = {}\n", call(said)),
            None => "# stream = \"shop.Orders/Watch\"   # answered by many messages\n".to_owned(),
        };
        format!(
            "\n[calls]\n\
             # What that caller may. A gRPC message that is not empty is JSON in quotes:\n\
             # allowed = {{ grpc = \"shop.Orders/Get\", message = '{{\"id\": 1}}' }}\n\
             allowed = {allowed}\n\
             {stream}\
             # How it says no, if not by 401, 403, UNAUTHENTICATED or PERMISSION_DENIED:\n\
             # refused = {{ token = \"none\", code = \"UNAUTHENTICATED\" }}\n"
        )
    }
}

/// What nobody is asked.
fn rest() -> String {
    "\n# Tokens, if it wants any. The drill signs them, and publishes the keys.\n\
     # [token]\n\
     # jwks = { listen = \"127.0.0.1:9080\" }   # or { file = \"jwks.json\" }\n\
     # issuer = \"https://issuer.example\"\n\
     # audience = \"orders\"\n\
     # bound = true                           # to the caller's certificate, RFC 8705\n\
     \n\
     # How long one taken back may still be served: these fail a build.\n\
     # [objectives]\n\
     # revoked-leaf = { new = \"5s\", open = \"30s\", stream = \"60s\" }\n\
     # removed-root = { new = \"5s\", resumed = \"5s\", open = \"30s\", stream = \"60s\" }\n\
     # failed-requests = 0\n\
     \n\
     # What you put up with, and until when.\n\
     # [accept]\n\
     # old-root-open-stream = { reason = \"OPS-142\", until = \"2027-03-01\" }\n"
        .to_owned()
}

/// A gRPC method, or a table for a method of HTTP and a path.
fn call(said: &str) -> String {
    match said.contains(' ') {
        true => format!("{{ http = {} }}", quoted(said)),
        false => quoted(said),
    }
}

/// A command's words, as they are between its spaces.
fn argv(command: &str) -> String {
    let words: Vec<String> = command.split_whitespace().map(quoted).collect();
    format!("[{}]", words.join(", "))
}

/// A string of TOML that says this and nothing else.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
