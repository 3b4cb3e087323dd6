use baton_auth::{DocumentPattern, NewToken, Permissions, SigningKey, TokenUser, mint};
use baton_presence::Rights;

use super::*;
use crate::clock::unix_ms;
use crate::config::{AuthMode, Secret};
use crate::connection::close_codes;

const SECRET: &str = "a secret of thirty-two bytes or more";

fn jwt() -> Settings {
    Settings {
        auth: AuthMode::Jwt,
        auth_secret: SECRET.parse::<Secret>().unwrap(),
        ..Settings::default()
    }
}

fn token(secret: &str, documents: &str, permissions: Permissions, lifetime_ms: u64) -> Token {
    let key = SigningKey::from_secret(secret.as_bytes()).unwrap();
    let documents = vec![DocumentPattern::parse(documents).unwrap()];
    let mut contents = NewToken::new(documents, permissions, lifetime_ms);
    contents.user = Some(TokenUser::new("u1").unwrap());
    contents.tenant = Some("acme".to_owned());
    contents.token_id = Some("t7".to_owned());
    mint(&key, &contents, unix_ms()).unwrap()
}

async fn ask(
    authorizer: &Authorizer,
    token: Option<&Token>,
    document: &str,
) -> Result<AccessGrant, AccessDenied> {
    let caller = Caller::at([127, 0, 0, 1].into());
    let request = AccessRequest::new(token, document, &caller);
    authorizer.authorize(request).await
}

#[tokio::test]
async fn a_token_opens_its_documents_with_its_permissions_and_no_others() {
    let authorizer = Authorizer::new(&jwt()).unwrap();
    let token = token(SECRET, "team/*", Permissions::WRITE, 60_000);
    let grant = ask(&authorizer, Some(&token), "team/plan").await.unwrap();
    assert!(grant.permissions().contains(Permission::Write));
    assert_eq!(grant.rights(), Rights::WRITE);
    assert_eq!(grant.user().map(TokenUser::id), Some("u1"));
    assert_eq!(
        (grant.tenant(), grant.token_id()),
        (Some("acme"), Some("t7"))
    );
    assert!(grant.expires_at().is_some());
    assert!(!format!("{grant:?}").contains(token.secret_text()));
    let again = authorizer.recheck(&grant).await.unwrap();
    assert_eq!(again.permissions(), grant.permissions());

    let denied = ask(&authorizer, Some(&token), "other").await.unwrap_err();
    assert_eq!(
        (denied.code, denied.reason),
        (close_codes::FORBIDDEN, "document-not-granted")
    );
}

#[tokio::test]
async fn no_token_and_a_token_of_another_issuer_are_refused_for_good() {
    let authorizer = Authorizer::new(&jwt()).unwrap();
    let foreign = token(
        "another secret of 32 bytes or more",
        "*",
        Permissions::ALL,
        60_000,
    );
    for (token, reason) in [
        (None, "token-missing"),
        (Some(&foreign), "signature-invalid"),
    ] {
        let denied = ask(&authorizer, token, "notes").await.unwrap_err();
        assert_eq!(
            (denied.code, denied.reason),
            (close_codes::UNAUTHORIZED, reason)
        );
    }
}

#[tokio::test]
async fn a_grant_whose_token_has_expired_is_not_confirmed() {
    let mut settings = jwt();
    settings.auth_leeway.0 = std::time::Duration::ZERO;
    let authorizer = Authorizer::new(&settings).unwrap();
    // Whole seconds, rounded up.
    let token = token(SECRET, "*", Permissions::READ, 1);
    let grant = ask(&authorizer, Some(&token), "notes").await.unwrap();
    while unix_ms() < grant.expires_at().unwrap() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(
        authorizer.recheck(&grant).await.unwrap_err().reason,
        "expired"
    );
}

#[tokio::test]
async fn without_authentication_the_setting_says_what_everyone_may() {
    for (rights, expected) in [("none", Rights::EDIT), ("take-over,manage", Rights::ALL)] {
        let settings = Settings {
            rights: rights.parse().unwrap(),
            ..Settings::default()
        };
        let authorizer = Authorizer::new(&settings).unwrap();
        assert!(!authorizer.asks_for_tokens());
        let grant = ask(&authorizer, None, "notes").await.unwrap();
        assert!(grant.permissions().contains(Permission::Lock));
        assert_eq!(grant.rights(), expected);
    }
}

#[test]
fn keys_come_from_files_and_a_key_that_cannot_be_used_is_named_by_its_setting() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        format!("{}", path.display()).parse().unwrap()
    };
    let key = SigningKey::from_ed25519_seed([7; 32]).unwrap();
    let made = |change: &dyn Fn(&mut Settings)| {
        let mut settings = Settings {
            auth: AuthMode::Jwt,
            ..Settings::default()
        };
        change(&mut settings);
        Authorizer::new(&settings)
            .map(|_| ())
            .map_err(|error| error.to_string())
    };
    let pem = key.public_pem().unwrap();
    let jwks = key.public_jwks().unwrap();
    for text in [&pem, &jwks, &format!("\n {jwks}")] {
        made(&|settings| settings.auth_key_file = file("public", text)).unwrap();
    }
    made(&|settings| {
        settings.auth_key_file = file("public", &pem);
        settings.auth_secret_file = file("secret", &format!("{SECRET}\r\n"));
        settings.auth_secret = SECRET.parse().unwrap();
    })
    .unwrap();

    let private = key.private_pem().unwrap();
    type Change<'a> = &'a dyn Fn(&mut Settings);
    let wrong: [(Change<'_>, &str); 4] = [
        (
            &|settings| settings.auth_secret = "short".parse().unwrap(),
            "auth_secret: the secret has 5",
        ),
        (
            &|settings| settings.auth_key_file = file("k", &private),
            "auth_key_file: the PEM holds a private",
        ),
        (
            &|settings| settings.auth_secret_file = file("s", &pem),
            "auth_secret_file: a key in PEM is no secret",
        ),
        (
            &|settings| settings.auth_key_file = "/nowhere".parse().unwrap(),
            "auth_key_file: the file /nowhere",
        ),
    ];
    for (change, part) in wrong {
        let error = made(change).unwrap_err();
        assert!(error.starts_with(part), "{error}");
    }
}
