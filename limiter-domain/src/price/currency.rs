//! Currencies by their codes.

use std::fmt;

use crate::{Code, Refusal, text};

/// ISO 4217, without funds, metals and test codes.
const CODES: &str = "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD \
    CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD \
    HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD \
    MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG \
    QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD \
    TZS UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG";

/// A currency of ISO 4217. A deployment has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// The currency with this code. Refused with `InvalidParameter` where there is none.
    pub fn new(code: &str) -> Result<Self, Refusal> {
        let known = CODES.split_ascii_whitespace().any(|known| known == code);
        match <[u8; 3]>::try_from(code.as_bytes()) {
            Ok(bytes) if known => Ok(Self(bytes)),
            _ => {
                let message = format!(
                    "{:?} is no currency; write a code of ISO 4217, for example EUR",
                    text::shortened(code)
                );
                Err(Refusal::new(Code::InvalidParameter, message).at("currency"))
            }
        }
    }

    /// As written everywhere: three capitals.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_known_or_refused() {
        assert_eq!(Currency::new("EUR").map(|it| it.to_string()), Ok("EUR".to_owned()));
        for wrong in ["", "eur", "EURO", "XXQ", "R U", "ÄÖ"] {
            assert_eq!(
                Currency::new(wrong).map_err(|refusal| refusal.field),
                Err(Some("currency".to_owned()))
            );
        }
    }
}
