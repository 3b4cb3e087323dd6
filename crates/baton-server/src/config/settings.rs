//! The settings: the list of their names, meanings and defaults, from which the command line, the
//! environment and the configuration file are read.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use baton_auth::{ClaimName, ClaimNames, DocumentPattern, Permissions, TenantPrefix};
use baton_presence::Rights;
use bytesize::ByteSize;
use serde::Serialize;

use super::auth_values::{
    AuthMode, ClaimPreset, CommaList, OrNone, Secret, ServiceUrl, TokenDocuments,
};
use super::base_path::BasePath;
use super::document_names::DocumentNames;
use super::engine_servers::EngineServers;
use super::listen::Listen;
use super::proxies::{Proxies, ProxyHeader};
use super::public_url::PublicUrl;
use super::values::{
    DocumentMode, EchoMode, ReadOnlyPolicy, RightsList, SocketAccess, Span, Switch, TimingProfile,
};
use super::web_names::{FrameAncestors, Hosts, Origins};

macro_rules! settings {
    ($(
        $(#[doc = $doc:literal])*
        $name:ident : $ty:ty = $default:expr $(, arg($($arg:tt)*))? ;
    )*) => {
        /// The settings in force. A program changes fields of `Settings::default()`.
        #[derive(Debug, Clone, PartialEq, Serialize)]
        #[non_exhaustive]
        pub struct Settings {
            $( $(#[doc = $doc])* pub $name: $ty, )*
        }

        impl Default for Settings {
            fn default() -> Self {
                Self { $( $name: $default, )* }
            }
        }

        /// Settings from one source: the command line with its environment, or a file.
        #[cfg(feature = "command-line")]
        #[derive(Debug, Clone, Default, PartialEq, serde::Deserialize, clap::Args)]
        #[serde(default, deny_unknown_fields)]
        #[non_exhaustive]
        pub struct PartialSettings {
            $( $(#[doc = $doc])* #[arg(long $(, $($arg)*)?)] pub $name: Option<$ty>, )*
        }

        impl Settings {
            /// Replaces the settings that a source gives.
            #[cfg(feature = "command-line")]
            pub(super) fn take(&mut self, given: PartialSettings) {
                $( if let Some(value) = given.$name { self.$name = value; } )*
            }
            /// Names of all settings, as in a configuration file.
            pub const NAMES: &'static [&'static str] = &[ $( stringify!($name), )* ];
        }
    };
}

settings! {
    /// Address or host name, and port, to listen on; port 0 takes a free one; or unix:/path
    listen: Listen = Listen::from(SocketAddr::from(([127, 0, 0, 1], 8080)));
    /// Users who may connect to a Unix socket, and are trusted as proxies
    socket_access: SocketAccess = SocketAccess::Owner;
    /// Path under which all addresses of this server are, like /collab
    base: BasePath = BasePath::default();
    /// PEM file with the certificate for TLS and its chain, or none; read again when it changes
    tls_cert: OrNone<String> = OrNone::default();
    /// PEM file with the private key of that certificate, or none
    tls_key: OrNone<String> = OrNone::default();
    /// Folder of the embedded store; created if it does not exist
    data: PathBuf = PathBuf::from("data");
    /// Servers of a cluster's engine, like nats://a:4222,b,c, or none: the store is embedded
    cluster: EngineServers = EngineServers::default(), arg(hide_env_values = true);
    /// File with the credentials for the engine, as nsc writes it, or none
    cluster_credentials: OrNone<String> = OrNone::default();
    /// PEM file with the authorities for the engine's certificates, or none: those of the system
    cluster_ca: OrNone<String> = OrNone::default();
    /// PEM file with the certificate that this node shows to the engine's servers, or none
    cluster_cert: OrNone<String> = OrNone::default();
    /// PEM file with the private key of that certificate, or none
    cluster_key: OrNone<String> = OrNone::default();
    /// The engine's HTTP monitors, one for each server, if the account may not ask for its state
    cluster_monitors: CommaList<String> = CommaList::default();
    /// Prefix of all that the cluster keeps in the engine, which several clusters may share
    cluster_name: String = "baton".to_owned();
    /// Streams that hold the records of all documents; fixed once they exist
    cluster_streams: usize = 8;
    /// Place of the snapshots: engine, or a bucket like s3://bucket/prefix; fixed once it is used
    cluster_snapshots: String = "engine".to_owned();
    /// Copies that the engine keeps of each record
    cluster_replicas: usize = 3;
    /// Name under which the other nodes show this one, or none: the name of its machine
    cluster_node: OrNone<String> = OrNone::default();
    /// Time after which a node that does not renew its lease may be lost
    lease: Span = Span(Duration::from_secs(15));
    /// Time after that until it is lost, and its sessions are without a connection
    lease_grace: Span = Span(Duration::from_secs(5));
    /// Decides who may do what: none (all clients), jwt (signed tokens), webhook (another service)
    auth: AuthMode = AuthMode::None;
    /// Listen with auth = none where other machines can reach it: all may write every document
    open: Switch = Switch::Off,
        arg(num_args = 0..=1, require_equals = true, default_missing_value = "on");
    /// Secret of at least 32 bytes that signs tokens (HS256); the variable BATON_AUTH_SECRET or a
    /// file is safer than the flag, which other users of the machine can see
    auth_secret: Secret = Secret::default(), arg(hide_env_values = true);
    /// File with such a secret
    auth_secret_file: OrNone<String> = OrNone::default();
    /// File with public keys that verify tokens, in PEM or as a JSON Web Key Set
    auth_key_file: OrNone<String> = OrNone::default();
    /// Address of a JSON Web Key Set with the public keys that verify tokens
    auth_jwks_url: ServiceUrl = ServiceUrl::default(), arg(hide_env_values = true);
    /// Time after which the keys of that address are fetched again
    auth_jwks_refresh: Span = Span(Duration::from_mins(15));
    /// Time for which fetched keys count while newer ones cannot be fetched
    auth_jwks_keep: Span = Span(Duration::from_hours(6));
    /// Time for one fetch of keys; over it: it failed
    auth_jwks_timeout: Span = Span(Duration::from_secs(10));
    /// Address of the service that is asked with auth = webhook
    auth_webhook_url: ServiceUrl = ServiceUrl::default(), arg(hide_env_values = true);
    /// Time for one question to the webhook, waiting for its turn included; over it: refused with
    /// close 4504
    auth_webhook_timeout: Span = Span(Duration::from_secs(5));
    /// Questions that the webhook is asked at the same time; further ones wait
    auth_webhook_calls: usize = 32;
    /// Longest time for which an answer of the webhook counts without asking again
    auth_webhook_cache: Span = Span(Duration::from_mins(1));
    /// Token of at least 32 bytes with which an application's own server manages every document,
    /// and asks for tokens for its clients; the variable BATON_SERVER_TOKEN is safer than the flag
    server_token: Secret = Secret::default(), arg(hide_env_values = true);
    /// File with the key that signs the tokens for clients: a private Ed25519 key in PEM, or a
    /// secret of at least 32 bytes. With none, a key is drawn at the start
    signing_key_file: OrNone<String> = OrNone::default();
    /// Address at which clients reach this server, like `https://collab.example.com/base`, if that
    /// is not the Host of their requests
    public_url: OrNone<PublicUrl> = OrNone::default();
    /// Values of the settings about claims, unless they are set by themselves
    auth_claims: ClaimPreset = ClaimPreset::Baton;
    /// Claim with the documents of a token
    claim_documents: ClaimName = ClaimNames::default().documents;
    /// Claim with the documents that the token may only read
    claim_read_only: ClaimName = ClaimNames::default().read_only_documents;
    /// Claim with the permissions on the documents of a token
    claim_permissions: ClaimName = ClaimNames::default().permissions;
    /// Claim with the identity of the user
    claim_user_id: ClaimName = ClaimNames::default().user_id;
    /// Claim with the name of the user that others see
    claim_user_name: ClaimName = ClaimNames::default().user_name;
    /// Claim with the color of the user that others see
    claim_user_color: ClaimName = ClaimNames::default().user_color;
    /// Claim with the tenant of the user
    claim_tenant: ClaimName = ClaimNames::default().tenant;
    /// Claim with the identity of the token
    claim_token_id: ClaimName = ClaimNames::default().token_id;
    /// Documents in tokens are patterns (`team/*`), or exact names
    token_documents: TokenDocuments = TokenDocuments::Patterns;
    /// Documents of a token without the claim for them, like `public/*`; none: it is refused
    default_documents: CommaList<DocumentPattern> = CommaList::default();
    /// Permissions of a token without the claim for them, like `write`; none: it is refused
    default_permissions: OrNone<Permissions> = OrNone::default();
    /// Audiences of which a token must name one in `aud`; none: it is not looked at
    auth_audiences: CommaList<String> = CommaList::default();
    /// Issuers of which a token must name one in `iss`; none: it is not looked at
    auth_issuers: CommaList<String> = CommaList::default();
    /// Difference of clocks that the times of a token allow for
    auth_leeway: Span = Span(Duration::from_secs(30));
    /// Refuse tokens that never expire
    auth_expiry: Switch = Switch::On;
    /// Beginning of the names of a tenant's documents, like `{tenant}/`: tokens must then name a
    /// tenant, and reach no other documents
    tenant_prefix: OrNone<TenantPrefix> = OrNone::default();
    /// Time before its token expires at which the client of an open connection is told
    token_notice: Span = Span(Duration::from_secs(30));
    /// Time for which a revocation is kept whose token states no end; longer than tokens live
    revoked_for: Span = Span(Duration::from_hours(24));
    /// Revoked tokens and users that are kept; over it: a revocation ends open connections only
    max_revocations: usize = 50_000;
    /// Open connections of the tokens of one tenant, or 0 for any number; over it: close 1013
    max_connections_per_tenant: usize = 0;
    /// Documents in memory with the prefix of one tenant, or 0 for any number; over it: close 1013
    max_documents_per_tenant: usize = 0;
    /// Stored documents with the prefix of one tenant, or 0 for any number; over it: close 1013 for
    /// new ones
    max_documents_stored_per_tenant: usize = 0;
    /// Bytes of the stored documents with the prefix of one tenant, or 0 for any number; over it:
    /// edits that add content are refused
    max_store_per_tenant: ByteSize = ByteSize::b(0);

    /// Largest WebSocket message, in bytes; over it: close 4413
    max_frame: ByteSize = ByteSize::mib(64);
    /// Open connections in all; over it: refused with HTTP 503
    max_connections: usize = 20_000;
    /// Open connections to one document; over it: close 1013
    max_connections_per_document: usize = 5_000;
    /// Open connections from one address (of IPv6, one /64); over it: refused with HTTP 429
    max_connections_per_address: usize = 10_000;
    /// New connections from one address in a second, in the long run; over it: refused (HTTP 429)
    new_connections_per_second: u32 = 200;
    /// New connections that one address may open at once, before that rate counts
    new_connections_burst: u32 = 2_000;
    /// TCP connections on which plain HTTP is spoken, or a handshake is under way; over it: the
    /// oldest is closed, or new ones wait
    max_handshakes: usize = 2_048;
    /// The same from one address; over it: its oldest is closed, or refused with HTTP 429
    max_handshakes_per_address: usize = 1_024;
    /// Proxies in front of this server, like 10.0.0.0/8,::1: the client is the address that they
    /// name in proxy_header
    trusted_proxies: Proxies = Proxies::default();
    /// The header in which those proxies, and no other peer, name the client
    proxy_header: ProxyHeader = ProxyHeader::XForwardedFor;
    /// Web pages that may use this server beside its own, like `https://example.org`, null or any;
    /// all others get HTTP 403
    allowed_origins: Origins = Origins::default();
    /// Host names answered to beside loopback ones while listening on loopback, or any; all others
    /// get HTTP 403
    allowed_hosts: Hosts = Hosts::default();
    /// Pages that may show the demo page in a frame, like `self,https://example.org`, or none
    frame_ancestors: FrameAncestors = FrameAncestors::default();
    /// Documents of one Hocuspocus connection; over it: close 4205
    max_documents_per_connection: usize = 100;
    /// Bytes that one Hocuspocus connection may send for documents before it is let in to them;
    /// over it: close 4205
    max_backlog: ByteSize = ByteSize::mib(5);
    /// Messages that one Hocuspocus connection may send in the same time; over it: close 4205
    max_backlog_messages: usize = 1_000;
    /// Documents in memory; over it: close 1013 until one becomes idle
    max_documents: usize = 100_000;
    /// Documents being loaded at the same time; further ones wait
    max_loads: usize = 16;
    /// Connections that wait for a document to be loaded; over it: close 1013
    max_waiting_loads: usize = 4_096;
    /// Longest such wait; over it: close 1013
    load_wait: Span = Span(Duration::from_secs(10));
    /// Longest document name, in bytes; over it: close 4404
    max_document_name: usize = 1024;
    /// Bytes queued for one connection, beside its first sync; over it: its updates are dropped and
    /// later replaced by one difference, else close 1013
    max_outbox: ByteSize = ByteSize::mib(1);
    /// Time for which a connection whose updates were dropped may read nothing; over it: close 1013
    max_behind: Span = Span(Duration::from_secs(30));
    /// Messages that one connection may send in a second, in the long run; over it: it waits
    max_messages_per_second: u32 = 2_000;
    /// Bytes that one connection may send in a second, in the long run; over it: it waits
    max_bytes_per_second: ByteSize = ByteSize::mib(32);
    /// Amount that one connection may send at once, as the time in which its rates would allow it
    rate_burst: Span = Span(Duration::from_secs(1));
    /// Bytes of messages that are not complete or not handled yet, of all connections; over it:
    /// close 1013 for connections with more than 64 KiB
    max_receiving: ByteSize = ByteSize::gib(1);
    /// Bytes stored of one document: its last snapshot and all records since; over it: edits that
    /// add content are refused
    max_document: ByteSize = ByteSize::mib(256);
    /// Documents in the store; over it: close 1013 for connections to a new one
    max_documents_stored: usize = 1_000_000;
    /// Bytes of the store on its disk; over it: new documents, and edits that add content, are
    /// refused
    max_store: ByteSize = ByteSize::gib(64);
    /// Awareness of all documents together, in bytes; over it: entries that would add to it are
    /// refused
    max_awareness: ByteSize = ByteSize::mib(256);
    /// Largest awareness entry, in bytes; a larger one is refused, and the last good one stays
    max_awareness_entry: ByteSize = ByteSize::kib(256);
    /// Awareness entries that one connection may own; further ones are refused
    max_awareness_entries: usize = 64;
    /// Bytes of incomplete updates kept aside for one connection; over it: the update is refused
    /// with an error
    max_aside: ByteSize = ByteSize::mib(1);
    /// Blocks in one update; over it: close 4400
    max_update_blocks: usize = 500_000;
    /// Clients whose blocks, or whose deletions, are in one update; over it: close 4400
    max_update_clients: usize = 100_000;
    /// Deleted ranges in one update; over it: close 4400
    max_update_ranges: usize = 1_000_000;
    /// Bytes of open parks of one session, or of all sessions of one user; over it: the edit is
    /// refused with an error
    max_parked_per_session: ByteSize = ByteSize::mib(10);
    /// Users who have open parks in one document; over it: no discarded park is recovered, but
    /// edits are parked all the same
    max_parks: usize = 100;
    /// Bytes of open parks of one document, each counted as at least 16 KiB; over it: the edit is
    /// refused with an error
    max_parked: ByteSize = ByteSize::mib(64);
    /// Bytes of discarded parks of one document, each counted as at least 16 KiB; over it: no park
    /// can be discarded
    max_discarded_parks: ByteSize = ByteSize::mib(20);
    /// Locks of one session; over it: refused
    max_locks_per_session: usize = 32;
    /// Locks in one document; over it: refused
    max_locks: usize = 500;
    /// Bytes of the paths of all locks and tickets of one document; over it: refused
    max_lock_bytes: ByteSize = ByteSize::kib(256);
    /// Time for a request's head, and then for the first message; over it: HTTP 408, close 4508
    handshake_timeout: Span = Span(Duration::from_secs(10));
    /// Lifetime of a TCP connection that does not become a WebSocket; over it: closed
    http_timeout: Span = Span(Duration::from_secs(60));

    /// Longest wait of an update for others in its commit; twice that if no client is told that it
    /// is saved
    commit_delay: Span = Span(Duration::from_millis(25));
    /// Bytes of waiting updates that start a commit at once
    commit_bytes: ByteSize = ByteSize::kib(256);
    /// Bytes of large frames that are accepted and not yet durable; over it: readers wait
    log_queue: ByteSize = ByteSize::mib(64);
    /// The same for frames up to 64 KiB, a quarter of it for one document; over it: readers wait
    log_queue_small: ByteSize = ByteSize::mib(16);
    /// Part of log_queue that one document may hold, at least one largest frame; over it: its
    /// readers wait
    log_queue_per_document: ByteSize = ByteSize::mib(32);
    /// Threads for work that takes over a millisecond; 0 is half the processors, at least 2
    work_threads: usize = 0;
    /// Processor time that one connection may use in a second, in the long run; over it: it waits
    cpu_per_connection: Span = Span(Duration::from_millis(250));
    /// Processor time that one connection may use at once, before that rate counts
    cpu_burst: Span = Span(Duration::from_secs(1));
    /// Bytes of records after which an open document gets a snapshot, if they exceed its last one
    compact_after: ByteSize = ByteSize::mib(1);
    /// Free space on the disk of the data folder below which /readyz warns
    disk_low: ByteSize = ByteSize::mib(256);
    /// Serve /metrics
    metrics: Switch = Switch::On;
    /// Time for which a document without connections stays in memory
    unload_after: Span = Span(Duration::from_secs(30));
    /// Compress the first sync of clients of Baton's channel that ask for it
    compress_first_sync: Switch = Switch::On;
    /// Size of a message of the first sync from which on it is compressed
    compress_from: ByteSize = ByteSize::kib(1);
    /// Effort of that compression, from 1 (fast) to 6 (small)
    compress_level: u8 = 4;
    /// Time for which the encoded first sync is kept in memory if no client joins or types
    rest_after: Span = Span(Duration::from_mins(1));
    /// Documents that keep deleted content for `Y.snapshot`, like `minutes,drafts/*`, or none
    keep_history: DocumentNames = DocumentNames::default();
    /// Time over which an orderly stop spreads the closing of connections, so that clients do not
    /// all reconnect at once
    drain_over: Span = Span(Duration::from_secs(1));
    /// Deadline of an orderly stop
    shutdown_deadline: Span = Span(Duration::from_secs(10));

    /// Rights of every connection beside editing while auth = none: take-over, manage, both with a
    /// comma between, or none
    rights: RightsList = RightsList(Rights::TAKE_OVER.union(Rights::MANAGE));
    /// Send stock clients of the y-websocket wire their own updates back once these are durable; a
    /// client asks for itself with `?echo=saved` or `?echo=off`
    echo: EchoMode = EchoMode::Off;
    /// Meaning of locks in a new document; a client with the right manage can change it later
    mode: DocumentMode = DocumentMode::ExclusiveWhenHeld;
    /// Show the users of tokens in awareness states, in place of what clients say
    stamp_awareness: Switch = Switch::On;
    /// Fate of edits from clients that may only read
    read_only_edits: ReadOnlyPolicy = ReadOnlyPolicy::Drop;

    /// Values of all timings below, unless they are set by themselves
    profile: TimingProfile = TimingProfile::Default;
    /// Interval of protocol pings to every connection
    ping_every: Span = Span(Duration::from_secs(5));
    /// Silence after which a peer is shown shaky
    shaky_after: Span = Span(Duration::from_secs(6));
    /// Silence after which a peer is offline
    offline_after: Span = Span(Duration::from_secs(10));
    /// Interval of application beats to a lock's holder and to the first in its queue
    beat_every: Span = Span(Duration::from_secs(2));
    /// Interval of application beats to every other client of the lock protocol
    beat_every_idle: Span = Span(Duration::from_secs(5));
    /// Age of a beat beyond which its answer does not count
    answer_within: Span = Span(Duration::from_secs(5));
    /// Time for which an offer of the lock stands
    offer: Span = Span(Duration::from_secs(2));
    /// Time after a missed offer until the waiter is offered the lock again; doubles each time
    offer_again: Span = Span(Duration::from_secs(2));
    /// Longest such time
    offer_again_most: Span = Span(Duration::from_secs(30));
    /// Time for which a holder's lost connection is waited for, at most 60 s
    grace: Span = Span(Duration::from_secs(5));
    /// Time for which the ticket and session of a lost connection are kept
    ticket_life: Span = Span(Duration::from_secs(30));
    /// Time for which holders are waited for after a restart of the server
    recovery: Span = Span(Duration::from_secs(10));
    /// Time for a holder that hands its lock on to send its edits
    drain: Span = Span(Duration::from_secs(3));
    /// Time for which a holder may keep a lock that another client requests
    request: Span = Span(Duration::from_secs(30));
    /// Time for which a holder may be without input while another client waits
    idle_yield: Span = Span(Duration::from_secs(90));
    /// Time before idle_yield at which the holder is warned
    idle_warning: Span = Span(Duration::from_secs(15));
    /// Time after a take-over in which no other client takes over
    take_over_cooldown: Span = Span(Duration::from_secs(60));
    /// Time after its last confirmed answer at which a holder must stop editing
    client_stop: Span = Span(Duration::from_millis(6_500));
    /// Leave a lock with an unreachable holder until it has certainly stopped editing
    wait_out_lease: Switch = Switch::On;
    /// Pass the lock of a holder that went offline also to a client that did not queue
    auto_pass: Switch = Switch::On;
}
