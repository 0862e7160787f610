//! What must hold whatever the bytes are: the properties of the fuzz targets (`fuzz/`), and their corpora as tests.

mod addresses;
mod bytes;
mod escaping;
#[cfg(feature = "http")]
mod http;
mod impairments;
#[path = "../../../fuzz/shared/made.rs"]
mod made;
mod printing;
mod rules;
mod units;

pub use addresses::addresses;
pub use bytes::bytes;
pub use escaping::escaping;
#[cfg(feature = "http")]
pub use http::http;
pub use impairments::{impairments, scenario};
pub use printing::printing;
pub use rules::rules;
pub use units::units;

#[cfg(test)]
#[path = "../../../fuzz/shared/corpus.rs"]
mod corpus;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_hold() {
        corpus::run("addresses", addresses);
    }

    #[test]
    fn bytes_hold() {
        corpus::run("bytes", bytes);
    }

    #[test]
    fn escaping_holds() {
        corpus::run("escaping", escaping);
    }

    #[cfg(feature = "http")]
    #[test]
    fn http_holds() {
        corpus::run("http", http);
    }

    #[test]
    fn impairments_hold() {
        corpus::run("impairments", impairments);
    }

    #[test]
    fn printing_holds() {
        corpus::run("printing", printing);
    }

    #[test]
    fn rules_hold() {
        corpus::run("rules", rules);
    }

    #[test]
    fn scenario_holds() {
        corpus::run("scenario", scenario);
    }

    #[test]
    fn units_hold() {
        corpus::run("units", units);
    }
}
