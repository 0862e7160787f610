//! How good speech over a path would be (ITU-T G.107, the E-model).

use std::time::Duration;

/// A codec of speech, by how much it takes from the quality (ITU-T G.113 appendix I).
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Codec {
    /// Its name.
    pub name: &'static str,
    /// What it takes without any loss: Ie.
    pub impairment: f64,
    /// How well it conceals losses: Bpl.
    pub loss_robustness: f64,
}

impl Codec {
    /// G.711 with the concealment of its appendix I: Ie 0, Bpl 25.1.
    pub const G711: Self = Self { name: "G.711", impairment: 0.0, loss_robustness: 25.1 };
    /// G.711 that does not conceal losses: Ie 0, Bpl 4.3.
    pub const G711_WITHOUT_CONCEALMENT: Self =
        Self { name: "G.711 without concealment", impairment: 0.0, loss_robustness: 4.3 };
    /// G.729A with voice activity detection: Ie 11, Bpl 19.
    pub const G729A: Self = Self { name: "G.729A", impairment: 11.0, loss_robustness: 19.0 };
    /// GSM enhanced full rate: Ie 5, Bpl 10.
    pub const GSM_EFR: Self = Self { name: "GSM EFR", impairment: 5.0, loss_robustness: 10.0 };
}

/// How good speech over a path would be: the rating factor R of the E-model (ITU-T G.107), and the mean opinion score that it stands
/// for. All that is not measured has the default value of G.107, which makes R = 93.2 without delay and loss.
///
/// ```
/// use std::time::Duration;
/// use udpkit::path::{Codec, Quality};
///
/// let quality = Quality::estimate(Some(Duration::from_millis(20)), Some(0.0), None, Codec::G711).expect("it was measured");
/// assert_eq!(format!("{:.1} {:.2}", quality.r, quality.mos), "92.5 4.40");
/// // Without data there is no quality.
/// assert_eq!(Quality::estimate(None, Some(0.0), None, Codec::G711), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Quality {
    /// The rating factor, 0 to 100: from 80 on users are satisfied, below 60 nearly all are dissatisfied (G.109).
    pub r: f64,
    /// The mean opinion score, 1 to 4.5 (G.107 annex B).
    pub mos: f64,
    /// What the delay takes from R: Id.
    pub delay_impairment: f64,
    /// What the codec and losses take from R: Ie,eff.
    pub loss_impairment: f64,
    /// The delay that it is made of: from mouth to ear, one way.
    pub delay: Duration,
    /// The loss ratio that it is made of, 0 to 1: lost, or too late to be played.
    pub loss: f64,
    /// The burst ratio that it is made of, 1 for independent losses ([`LossRuns::burst_ratio`](super::LossRuns::burst_ratio)).
    pub burst_ratio: f64,
    /// The codec that it is made of.
    pub codec: Codec,
}

/// Weights and levels of G.107 table 2, in dB but for the delay of the talker's echo.
const SEND_LOUDNESS: f64 = 8.0;
const RECEIVE_LOUDNESS: f64 = 2.0;
const SIDETONE_MASKING: f64 = 15.0;
const LISTENER_SIDETONE: f64 = SIDETONE_MASKING + 3.0;
const TALKER_ECHO_LOUDNESS: f64 = 65.0;
const WEIGHTED_ECHO_LOSS: f64 = 110.0;
const CIRCUIT_NOISE: f64 = -70.0;
const NOISE_FLOOR: f64 = -64.0;
const ROOM_NOISE: f64 = 35.0;
const SEND_D_VALUE: f64 = 3.0;

impl Quality {
    /// That of this delay (from mouth to ear: the network's one-way delay, the receiver's buffer and the codec's frames), loss ratio (0 to
    /// 1), burst ratio (1 without one) and codec. Nothing where a delay or a loss ratio is missing, or is no number.
    #[must_use]
    pub fn estimate(
        delay: Option<Duration>,
        loss: Option<f64>,
        burst_ratio: Option<f64>,
        codec: Codec,
    ) -> Option<Self> {
        let loss = loss.filter(|loss| (0.0..=1.0).contains(loss))?;
        let delay = delay?;
        let burst_ratio = burst_ratio.filter(|ratio| ratio.is_finite()).unwrap_or(1.0).max(1.0);
        let noise = noise();
        let basic = 15.0 - 1.5 * (SEND_LOUDNESS + noise);
        let delay_impairment = delay_impairment(delay.as_secs_f64() * 1e3, basic, noise);
        let loss_impairment = loss_impairment(loss * 100.0, burst_ratio, codec);
        let r = (basic - simultaneous_impairment(basic, noise) - delay_impairment - loss_impairment).clamp(0.0, 100.0);
        let mos = opinion(r);
        Some(Self { r, mos, delay_impairment, loss_impairment, delay, loss, burst_ratio, codec })
    }
}

/// No: the power of all noise, in dBm0p (G.107 equations 7-3 to 7-6).
fn noise() -> f64 {
    let power = |level: f64| 10f64.powf(level / 10.0);
    let overall_loudness = SEND_LOUDNESS + RECEIVE_LOUDNESS;
    let at_sender = ROOM_NOISE - SEND_LOUDNESS - SEND_D_VALUE - 100.0
        + 0.004 * (ROOM_NOISE - overall_loudness - SEND_D_VALUE - 14.0).powi(2);
    let effective = ROOM_NOISE + 10.0 * (1.0 + power(10.0 - LISTENER_SIDETONE)).log10();
    let at_receiver = RECEIVE_LOUDNESS - 121.0 + effective + 0.008 * (effective - 35.0).powi(2);
    let floor = NOISE_FLOOR + RECEIVE_LOUDNESS;
    10.0 * (power(CIRCUIT_NOISE) + power(at_sender) + power(at_receiver) + power(floor)).log10()
}

/// Is: what happens at the same time as the voice: too loud, sidetone, quantising (G.107 equations 7-8 to 7-18).
fn simultaneous_impairment(basic: f64, noise: f64) -> f64 {
    let soft = |number: f64, power: i32| (1.0 + number.powi(power)).powf(1.0 / f64::from(power));
    let loudness = SEND_LOUDNESS + RECEIVE_LOUDNESS + 0.2 * (64.0 + noise - RECEIVE_LOUDNESS);
    let too_loud = 20.0 * (soft(loudness / 8.0, 8) - loudness / 8.0);
    // The echo is that of no delay: delay impairments are apart.
    let sidetone = -10.0 * (10f64.powf(-SIDETONE_MASKING / 10.0) + 10f64.powf(-TALKER_ECHO_LOUDNESS / 10.0)).log10();
    let sidetone = 12.0 * soft((sidetone - 13.0) / 6.0, 8)
        - 28.0 * soft((sidetone + 1.0) / 19.4, 35)
        - 13.0 * soft((sidetone - 3.0) / 33.0, 13)
        + 29.0;
    // One quantising distortion unit.
    let quality = 37.0;
    let g = 1.07 + 0.258 * quality + 0.0602 * quality * quality;
    let (y, z) = ((basic - 100.0) / 15.0 + 46.0 / 8.4 - g / 9.0, 46.0 / 30.0 - g / 40.0);
    let quantising = 15.0 * (1.0 + 10f64.powf(y) + 10f64.powf(z)).log10();
    too_loud + sidetone + quantising
}

/// Id: what a delay takes, by the talker's echo, the listener's echo, and of itself (G.107 equations 7-19 to 7-28).
fn delay_impairment(milliseconds: f64, basic: f64, noise: f64) -> f64 {
    let talker = {
        let echo = TALKER_ECHO_LOUDNESS - 40.0 * ((1.0 + milliseconds / 10.0) / (1.0 + milliseconds / 150.0)).log10()
            + 6.0 * (-0.3 * milliseconds * milliseconds).exp();
        let without = -1.5 * (noise - RECEIVE_LOUDNESS);
        let half = (without - (80.0 + 2.5 * (echo - 14.0))) / 2.0;
        (half + (half * half + 100.0).sqrt() - 1.0) * (1.0 - (-milliseconds).exp())
    };
    let listener = {
        let echo = 10.5 * (WEIGHTED_ECHO_LOSS + 7.0) * (2.0 * milliseconds + 1.0).powf(-0.25);
        let half = (basic - echo) / 2.0;
        half + (half * half + 169.0).sqrt()
    };
    talker + listener + absolute_delay_impairment(milliseconds)
}

/// Idd: what a delay over 100 ms takes, without any echo.
fn absolute_delay_impairment(milliseconds: f64) -> f64 {
    if milliseconds <= 100.0 {
        return 0.0;
    }
    let x = (milliseconds / 100.0).log2();
    let soft = |number: f64| (1.0 + number.powi(6)).powf(1.0 / 6.0);
    25.0 * (soft(x) - 3.0 * soft(x / 3.0) + 2.0)
}

/// Ie,eff: what a codec takes with so many per cent lost (G.107 equation 7-29). Its makers trust it with bursts up to 2 % loss.
fn loss_impairment(percent: f64, burst_ratio: f64, codec: Codec) -> f64 {
    codec.impairment + (95.0 - codec.impairment) * percent / (percent / burst_ratio + codec.loss_robustness)
}

/// The mean opinion score of a rating factor (G.107 equation B-4).
fn opinion(r: f64) -> f64 {
    (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).clamp(1.0, 4.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(milliseconds: u64, loss: f64, burst_ratio: Option<f64>, codec: Codec) -> Quality {
        Quality::estimate(Some(Duration::from_millis(milliseconds)), Some(loss), burst_ratio, codec).unwrap()
    }

    fn is_near(number: f64, expected: f64) -> bool {
        (number - expected).abs() < 0.05
    }

    #[test]
    fn the_default_values_of_g_107_make_93_2() {
        let quality = of(0, 0.0, None, Codec::G711);
        assert!(is_near(quality.r, 93.2), "{quality:?}");
        assert!((quality.mos - 4.41).abs() < 0.005, "{quality:?}");
        let noise = noise();
        assert!(is_near(noise, -61.18) && is_near(15.0 - 1.5 * (SEND_LOUDNESS + noise), 94.77), "{noise}");
        assert!(is_near(simultaneous_impairment(94.77, noise), 1.41));
    }

    #[test]
    fn delays_take_what_the_formulas_say() {
        // Twice and four times 100 ms: X is 1 and 2.
        for (milliseconds, x) in [(200.0, 1.0f64), (400.0, 2.0)] {
            let expected =
                25.0 * ((1.0 + x.powi(6)).powf(1.0 / 6.0) - 3.0 * (1.0 + (x / 3.0).powi(6)).powf(1.0 / 6.0) + 2.0);
            assert!((absolute_delay_impairment(milliseconds) - expected).abs() < 1e-9);
        }
        assert!(is_near(absolute_delay_impairment(200.0), 3.04) && absolute_delay_impairment(100.0) == 0.0);
        // Cole and Rosenbluth's line through the curve: 0.024 d below 177 ms, 0.11 more for each millisecond beyond.
        for (milliseconds, line) in [(50, 1.2), (100, 2.4), (150, 3.6), (250, 14.0), (350, 27.4)] {
            let taken = of(0, 0.0, None, Codec::G711).r - of(milliseconds, 0.0, None, Codec::G711).r;
            assert!((taken - line).abs() < 2.0, "{milliseconds} ms: {taken}");
        }
    }

    #[test]
    fn losses_take_what_the_codec_does_not_conceal_and_bursts_take_more() {
        // 1 % without concealment: 95 / (1 + 4.3).
        let plain = of(0, 0.01, None, Codec::G711_WITHOUT_CONCEALMENT);
        assert!(is_near(plain.loss_impairment, 17.92), "{plain:?}");
        assert!(is_near(of(0, 0.01, None, Codec::G711).loss_impairment, 3.64));
        assert!(is_near(of(0, 0.02, None, Codec::G729A).loss_impairment, 11.0 + 84.0 * 2.0 / 21.0));
        assert!(is_near(of(0, 0.02, Some(2.0), Codec::G729A).loss_impairment, 11.0 + 84.0 * 2.0 / 20.0));
        // Losses that are spread out more than by chance are not better for it.
        assert_eq!(of(0, 0.02, Some(0.5), Codec::G711), of(0, 0.02, Some(1.0), Codec::G711));
    }

    #[test]
    fn without_data_there_is_no_quality_and_the_worst_is_one() {
        let delay = Some(Duration::ZERO);
        for (delay, loss) in [(None, Some(0.0)), (delay, None), (delay, Some(f64::NAN)), (delay, Some(1.1))] {
            assert_eq!(Quality::estimate(delay, loss, None, Codec::G711), None);
        }
        let worst = Quality::estimate(Some(Duration::MAX), Some(1.0), Some(f64::INFINITY), Codec::G729A).unwrap();
        assert_eq!((worst.r, worst.mos), (0.0, 1.0));
        // The score of a rating of a few is not below that of none.
        assert!((0..=100).all(|r| (1.0..=4.5).contains(&opinion(f64::from(r)))));
        assert!(is_near(opinion(80.0), 4.02) && is_near(opinion(60.0), 3.1));
    }
}
