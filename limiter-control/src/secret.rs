//! Secrets: random tokens, of which only hashes are kept, and passwords.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use rand::distr::{Alphanumeric, SampleString as _};
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

/// Characters of a token: 256 bits of chance.
const TOKEN_CHARACTERS: usize = 43;

/// A new secret for a token, and the hash of it that is kept.
pub fn new_token() -> (String, [u8; 32]) {
    let secret = Alphanumeric.sample_string(&mut rand::rng(), TOKEN_CHARACTERS);
    let hash = hash_token(&secret);
    (secret, hash)
}

/// SHA-256 of a token: chance of this size needs no slow hash.
pub fn hash_token(secret: &str) -> [u8; 32] {
    Sha256::digest(secret).into()
}

/// The argon2id hash of a password in PHC form; takes some 10 ms of a core.
///
/// # Errors
/// Where the system gives no chance for a salt.
pub async fn hash_password(password: String) -> Result<String, argon2::password_hash::Error> {
    blocking(move || Argon2::default().hash_password(password.as_bytes()).map(|hash| hash.to_string())).await
}

/// True where `password` is the one that `hash` was made of. An unknown user's password is compared with
/// nothing in the same time, so that names cannot be guessed by the clock.
pub async fn is_password(password: String, hash: Option<String>) -> bool {
    blocking(move || {
        let hash = hash.unwrap_or_else(|| NOBODY.to_owned());
        let parsed = PasswordHash::new(&hash);
        parsed.is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
    })
    .await
}

/// The hash of a password that nobody knows.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Hashing takes a core and 19 MiB, so strangers who try passwords get no more than two of each.
static HASHING: Semaphore = Semaphore::const_new(2);

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    // Never closed, so that there is always a permit to wait for. It stays with the work, which goes on where
    // nobody waits for it any more.
    let permit = HASHING.acquire().await;
    let work = move || {
        let _permit = permit;
        work()
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_known_by_its_hash_alone() {
        let hash = hash_password("correct horse battery".to_owned()).await.expect("hash");
        assert!(hash.starts_with("$argon2id$"), "{hash}");
        assert!(is_password("correct horse battery".to_owned(), Some(hash.clone())).await);
        assert!(!is_password("correct horse batterz".to_owned(), Some(hash)).await);
        assert!(!is_password(String::new(), None).await);
    }

    #[test]
    fn tokens_differ_and_are_known_by_their_hash() {
        let ((one, hash), (other, _)) = (new_token(), new_token());
        assert_ne!(one, other);
        assert_eq!(one.len(), TOKEN_CHARACTERS);
        assert!(hash == hash_token(&one) && hash != hash_token(&other));
    }
}
