//! The settings about authorization together: which of them contradict each other, and the rules
//! for claims that they give.

use baton_auth::{ClaimNames, ClaimRules, Permissions};

use super::auth_values::AuthMode;
use super::error::ConfigError;
use super::settings::Settings;
use super::values::Switch;

/// Checks that the mode of authorization has what it needs, and that nothing is set for another
/// mode: an operator who gives a secret does not mean to let everyone in.
///
/// # Errors
/// Names the settings that contradict each other.
pub(super) fn check_auth(settings: &Settings) -> Result<(), ConfigError> {
    if let Some(fault) = contradiction(settings) {
        return Err(ConfigError::Contradiction(fault));
    }
    if settings.auth_jwks_url.is_set() {
        settings.auth_jwks_url.uri("auth_jwks_url")?;
    }
    if settings.auth_webhook_url.is_set() {
        settings.auth_webhook_url.uri("auth_webhook_url")?;
    }
    Ok(())
}

fn contradiction(settings: &Settings) -> Option<String> {
    let given = |name: &'static str, is_given: bool| is_given.then_some(name);
    let keys = given("auth_secret", settings.auth_secret.is_set())
        .or(given(
            "auth_secret_file",
            settings.auth_secret_file.0.is_some(),
        ))
        .or(given("auth_key_file", settings.auth_key_file.0.is_some()));
    let address = given("auth_jwks_url", settings.auth_jwks_url.is_set());
    let webhook = given("auth_webhook_url", settings.auth_webhook_url.is_set());
    let server_token = given("server_token", settings.server_token.is_set());
    let (mode, foreign) = match settings.auth {
        AuthMode::None => ("none", keys.or(address).or(webhook).or(server_token)),
        AuthMode::Jwt => ("jwt", webhook),
        AuthMode::Webhook => ("webhook", keys.or(address)),
    };
    if let Some(name) = foreign {
        return Some(format!("{name} is set, but auth is {mode}"));
    }
    let by_prefix = given(
        "max_documents_per_tenant",
        settings.max_documents_per_tenant > 0,
    )
    .or(given(
        "max_documents_stored_per_tenant",
        settings.max_documents_stored_per_tenant > 0,
    ))
    .or(given(
        "max_store_per_tenant",
        settings.max_store_per_tenant.as_u64() > 0,
    ));
    if let (None, Some(name)) = (&settings.tenant_prefix.0, by_prefix) {
        return Some(format!(
            "{name} is set, but no tenant_prefix says which documents are a tenant's"
        ));
    }
    match (settings.auth, keys, address) {
        (AuthMode::Jwt, Some(name), Some(address)) => Some(format!(
            "{name} and {address} are set; keys come from files and secrets, or from an address"
        )),
        (AuthMode::Jwt, None, None) if !settings.server_token.is_set() => Some(
            "auth is jwt, but there is no key that verifies tokens; set auth_secret_file, auth_key_file, auth_jwks_url, auth_secret or server_token".to_owned(),
        ),
        (AuthMode::Webhook, ..) if webhook.is_none() => {
            Some("auth is webhook, but auth_webhook_url is not set".to_owned())
        }
        _ => None,
    }
}

/// Returns true if some setting gives keys for the signed tokens of other issuers.
pub(crate) fn has_keys(settings: &Settings) -> bool {
    settings.auth_secret.is_set()
        || settings.auth_secret_file.0.is_some()
        || settings.auth_key_file.0.is_some()
        || settings.auth_jwks_url.is_set()
}

/// Returns the rules for the claims of tokens.
pub(crate) fn claim_rules(settings: &Settings) -> ClaimRules {
    ClaimRules {
        names: ClaimNames {
            documents: settings.claim_documents.clone(),
            read_only_documents: settings.claim_read_only.clone(),
            permissions: settings.claim_permissions.clone(),
            user_id: settings.claim_user_id.clone(),
            user_name: settings.claim_user_name.clone(),
            user_color: settings.claim_user_color.clone(),
            tenant: settings.claim_tenant.clone(),
            token_id: settings.claim_token_id.clone(),
        },
        document_syntax: settings.token_documents.into(),
        default_documents: settings.default_documents.0.clone(),
        default_permissions: settings.default_permissions.0.unwrap_or(Permissions::NONE),
        audiences: settings.auth_audiences.0.clone(),
        issuers: settings.auth_issuers.0.clone(),
        leeway_ms: u64::try_from(settings.auth_leeway.0.as_millis()).unwrap_or(u64::MAX),
        expiry_required: settings.auth_expiry == Switch::On,
        tenant_prefix: settings.tenant_prefix.0.clone(),
        ..ClaimRules::default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::auth_values::ClaimPreset;
    use super::super::settings::PartialSettings;
    use super::*;

    fn resolved(file: &str) -> Result<Settings, ConfigError> {
        let given: PartialSettings = toml::from_str(file).expect("a configuration");
        Settings::resolve(given, None)
    }

    #[test]
    fn keys_without_jwt_and_jwt_without_keys_do_not_start() {
        for (file, part) in [
            ("auth = \"jwt\"", "auth is jwt"),
            ("auth_key_file = \"keys.pem\"", "auth_key_file is set"),
            ("auth_secret = \"x\"", "auth_secret is set"),
            ("server_token = \"x\"", "server_token is set"),
            ("auth = \"webhook\"", "auth_webhook_url is not set"),
            (
                "auth_webhook_url = \"http://h/\"",
                "auth_webhook_url is set",
            ),
            (
                "auth = \"jwt\"\nauth_secret = \"x\"\nauth_jwks_url = \"http://h/\"",
                "auth_secret and auth_jwks_url are set",
            ),
            (
                "auth = \"webhook\"\nauth_webhook_url = \"nowhere\"",
                "auth_webhook_url is no address",
            ),
        ] {
            let error = resolved(file).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        for key in ["auth_secret", "server_token"] {
            assert!(resolved(&format!("auth = \"jwt\"\n{key} = \"x\"")).is_ok());
        }
    }

    #[test]
    fn a_claim_that_is_set_by_itself_overrides_the_preset() {
        let settings = resolved("auth_claims = \"y-sweet\"\nclaim_user_id = \"uid\"").unwrap();
        let rules = claim_rules(&settings);
        assert_eq!(rules.names.documents.as_str(), "doc_id");
        assert_eq!(rules.names.user_id.as_str(), "uid");
        let mut preset = Settings::default();
        preset.set_claims(ClaimPreset::Tiptap);
        let rules = claim_rules(&preset);
        assert_eq!(
            rules.names.read_only_documents.as_str(),
            "readonlyDocumentNames"
        );
        assert_eq!(rules.default_permissions, Permissions::WRITE);
        assert_eq!(rules.default_documents.len(), 1);
    }

    #[test]
    fn only_a_loopback_address_is_open_to_everyone_unasked() {
        let mut settings = Settings::default();
        let wide = ["0.0.0.0:1", "[::]:1", "192.0.2.1:1"];
        let near = ["127.0.0.1:1", "[::1]:1", "[::ffff:127.0.0.2]:1"];
        let check = |settings: &Settings, text: &str| settings.check_reach(text.parse().unwrap());
        for text in near {
            assert!(check(&settings, text).is_ok(), "{text}");
        }
        for text in wide {
            let error = check(&settings, text).unwrap_err().to_string();
            assert!(error.contains("--open"), "{error}");
        }
        settings.open = Switch::On;
        assert!(wide.iter().all(|text| check(&settings, text).is_ok()));
        settings.open = Switch::Off;
        settings.auth = AuthMode::Jwt;
        assert!(wide.iter().all(|text| check(&settings, text).is_ok()));
    }
}
