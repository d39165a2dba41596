//! Identifiers: a prefix that says of what, and 17 random characters of `[0-9a-z]`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Characters behind the prefix.
const LENGTH: usize = 17;

/// Why a text is no identifier; reads on after the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no identifier; write {prefix} and 17 characters of 0-9 and a-z")]
pub struct IdError {
    prefix: &'static str,
}

fn of_random(prefix: &str, mut random: u128) -> Arc<str> {
    let mut text = String::with_capacity(prefix.len() + LENGTH);
    text.push_str(prefix);
    for _ in 0..LENGTH {
        text.push(char::from(b"0123456789abcdefghijklmnopqrstuvwxyz"[(random % 36) as usize]));
        random /= 36;
    }
    text.into()
}

fn parse(prefix: &'static str, text: &str) -> Result<Arc<str>, IdError> {
    let rest = text.strip_prefix(prefix).filter(|rest| rest.len() == LENGTH);
    let good = rest.is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase()));
    if good { Ok(text.into()) } else { Err(IdError { prefix }) }
}

macro_rules! id {
    ($name:ident, $prefix:literal, $what:literal) => {
        #[doc = concat!("Identity of ", $what, ": `", $prefix, "` and 17 characters; never reused.")]
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// A new one from random bits; 88 of them count.
            pub fn of_random(random: u128) -> Self {
                Self(of_random($prefix, random))
            }

            /// As written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                parse($prefix, text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(AccountId, "ac-", "an account");
id!(UserId, "us-", "a user");
id!(TokenId, "to-", "a token");
id!(NodeId, "nd-", "a node");
id!(NetworkId, "on-", "a network");
id!(InstanceId, "in-", "an instance");
id!(PlanId, "np-", "a plan");
id!(RuleId, "ru-", "a rule");
id!(AddressUseId, "au-", "the use of an address");
id!(OrderId, "or-", "an order");
id!(NoteId, "no-", "what an operator wrote into an account");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_is_read_again() {
        let id = PlanId::of_random(u128::MAX);
        assert_eq!(id.as_str().len(), 20);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("np-0123".parse::<PlanId>().is_err());
        assert!(RuleId::of_random(7).as_str().parse::<PlanId>().is_err());
    }
}
