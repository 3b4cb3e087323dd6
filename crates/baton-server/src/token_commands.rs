//! `baton keys new` and `baton token`: keys and tokens for trying out and for small installations.
//!
//! Owns what they print: a public key or a token on standard output, and nothing else there, so
//! that it can be redirected into a file or a variable.

use std::error::Error;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use baton_auth::{
    ClaimNames, DocumentPattern, NewToken, Permissions, SigningKey, TokenUser, mint,
    secret_from_random,
};
use baton_server::{ClaimPreset, Span};
use zeroize::Zeroizing;

type Outcome = Result<(), Box<dyn Error>>;

/// Makes keys that sign and verify tokens
#[derive(clap::Args)]
pub(crate) struct Keys {
    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(clap::Subcommand)]
enum KeysCommand {
    /// Makes a key, writes its private part to a file, and prints the public part
    New(NewKey),
}

#[derive(clap::Args)]
struct NewKey {
    /// Kind of the key
    #[arg(long, value_enum, default_value_t = KeyKind::Ed25519)]
    r#type: KeyKind,
    /// File for the private key or secret, readable by its owner alone; must not exist
    #[arg(long)]
    out: PathBuf,
    /// Form in which the public key is printed
    #[arg(long, value_enum, default_value_t = PublicForm::Jwks)]
    public: PublicForm,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum KeyKind {
    /// A pair: the server has only the public key (auth_key_file), and cannot make tokens
    Ed25519,
    /// One secret, which the server has as well (auth_secret_file)
    Hs256,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum PublicForm {
    /// A JSON Web Key Set
    Jwks,
    /// PEM
    Pem,
}

/// Makes a token, and prints it
#[derive(clap::Args)]
pub(crate) struct NewTokenArgs {
    /// Private key in PEM, or file with a secret, as `baton keys new` writes them
    #[arg(long)]
    key: PathBuf,
    /// Document that the token is for, or a pattern like 'team/*'; can be given several times
    #[arg(long, required = true)]
    doc: Vec<DocumentPattern>,
    #[command(flatten)]
    permissions: PermissionFlags,
    /// Identity of the user
    #[arg(long)]
    user: Option<String>,
    /// Name of the user that others see
    #[arg(long, requires = "user")]
    name: Option<String>,
    /// Color of the user that others see
    #[arg(long, requires = "user")]
    color: Option<String>,
    /// Tenant of the user
    #[arg(long)]
    tenant: Option<String>,
    /// Time for which the token counts, like 90s, 1h or 7d
    #[arg(long, default_value = "1h")]
    ttl: Span,
    /// Identity of the token, by which it can be revoked
    #[arg(long)]
    id: Option<String>,
    /// Audience that the token is for
    #[arg(long)]
    audience: Option<String>,
    /// Issuer that the token names
    #[arg(long)]
    issuer: Option<String>,
    /// Names of the claims, as auth_claims of the server says
    #[arg(long, value_enum, default_value_t = ClaimPreset::Baton)]
    claims: ClaimPreset,
}

/// Permissions beside reading.
#[derive(clap::Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
struct PermissionFlags {
    /// Edit
    #[arg(long)]
    write: bool,
    /// Edit, and hold locks
    #[arg(long)]
    lock: bool,
    /// Edit, hold locks, and take them from their holders
    #[arg(long)]
    take_over: bool,
    /// Change modes, and decide about edits that were set aside
    #[arg(long)]
    manage: bool,
}

impl PermissionFlags {
    fn permissions(&self) -> Permissions {
        [
            (self.write, Permissions::WRITE),
            (self.lock, Permissions::LOCK),
            (self.take_over, Permissions::TAKE_OVER),
            (self.manage, Permissions::MANAGE),
        ]
        .into_iter()
        .filter(|(is_given, _)| *is_given)
        .fold(Permissions::READ, |all, (_, more)| all | more)
    }
}

impl Keys {
    pub(crate) fn run(&self) -> Outcome {
        match &self.command {
            KeysCommand::New(key) => key.run(),
        }
    }
}

impl NewKey {
    fn run(&self) -> Outcome {
        let mut random = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *random).map_err(|error| {
            format!("the system gives no random numbers: {error}; nothing was made")
        })?;
        match self.r#type {
            KeyKind::Hs256 => {
                let secret = secret_from_random(&random);
                self.write(&format!("{}\n", *secret))?;
                eprint(&format!(
                    "the secret is in {}; start the server with --auth jwt --auth-secret-file {0}",
                    self.out.display()
                ));
            }
            KeyKind::Ed25519 => {
                let key = SigningKey::from_ed25519_seed(*random)?.with_thumbprint();
                let private = key
                    .private_pem()
                    .ok_or("the new key has no private form in PEM; nothing was changed")?;
                self.write(&private)?;
                let public = match self.public {
                    PublicForm::Jwks => key.public_jwks(),
                    PublicForm::Pem => key.public_pem(),
                };
                let public =
                    public.ok_or("the new key has no public form; remove the private one")?;
                print(public.trim_end())?;
                eprint(&format!(
                    "the private key is in {}; give the server the printed public key in a file, with --auth jwt --auth-key-file",
                    self.out.display()
                ));
            }
        }
        Ok(())
    }

    fn write(&self, text: &str) -> Outcome {
        let out = self.out.display();
        let mut options = File::options();
        let made = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&self.out);
        let mut file = made.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                format!("{out} exists already; nothing was changed; choose another name")
            }
            _ => format!("{out} cannot be created: {error}; nothing was changed"),
        })?;
        let written = file
            .write_all(text.as_bytes())
            .and_then(|()| file.sync_all());
        written.map_err(|error| format!("{out} cannot be written: {error}; remove it").into())
    }
}

impl NewTokenArgs {
    pub(crate) fn run(&self) -> Outcome {
        let key = signing_key(&self.key)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        let lifetime = u64::try_from(self.ttl.0.as_millis())?;
        if lifetime == 0 {
            return Err("--ttl is 0: the token would never count; nothing was made".into());
        }
        let permissions = self.permissions.permissions();
        let mut contents = NewToken::new(self.doc.clone(), permissions, lifetime);
        if let Some(id) = &self.user {
            let mut user = TokenUser::new(id).map_err(|error| format!("--user {error}"))?;
            if let Some(name) = &self.name {
                let named = user.with_name(name);
                user = named.map_err(|error| format!("--name {error}"))?;
            }
            if let Some(color) = &self.color {
                let colored = user.with_color(color);
                user = colored.map_err(|error| format!("--color {error}"))?;
            }
            contents.user = Some(user);
        }
        contents.tenant.clone_from(&self.tenant);
        contents.token_id.clone_from(&self.id);
        contents.audience.clone_from(&self.audience);
        contents.issuer.clone_from(&self.issuer);
        contents.names = match self.claims {
            ClaimPreset::Baton => ClaimNames::default(),
            ClaimPreset::YSweet => ClaimNames::y_sweet(),
            ClaimPreset::Tiptap => ClaimNames::tiptap(),
        };
        let token = mint(&key, &contents, u64::try_from(now)?)?;
        print(token.secret_text())
    }
}

/// Reads a key in either of the forms that `baton keys new` writes.
fn signing_key(path: &Path) -> Result<SigningKey, Box<dyn Error>> {
    let text = std::fs::read_to_string(path).map(Zeroizing::new);
    let text = text.map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    let key = if text.contains("-----BEGIN") {
        SigningKey::from_ed25519_pem(&text).map(SigningKey::with_thumbprint)
    } else {
        SigningKey::from_secret(text.trim_end_matches(['\r', '\n']).as_bytes())
    };
    key.map_err(|error| format!("{}: {error}", path.display()).into())
}

/// Prints a line. Fails if it cannot be read: a token that was lost is of no use.
fn print(line: &str) -> Outcome {
    Ok(writeln!(io::stdout(), "{line}")?)
}

fn eprint(line: &str) {
    let _closed = writeln!(io::stderr(), "{line}");
}
