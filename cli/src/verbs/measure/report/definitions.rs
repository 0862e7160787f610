//! What each figure is, in a sentence, in the language of the page: in English the words of `--explain`.

use crate::words::figures::Topic;
use crate::words::language::Language;

/// The sentences in Indonesian.
const INDONESIAN: [(&str, &str); 26] = [
    ("sent", "probe yang diserahkan ke jaringan"),
    ("answered", "probe yang jawabannya datang pada waktunya"),
    ("lost", "probe yang hilang: jumlahnya"),
    ("loss", "bagian dari probe yang hilang: persentase"),
    ("late", "probe hilang yang jawabannya datang setelah --wait"),
    ("duplicates", "salinan yang tiba selain yang pertama: jumlahnya"),
    ("duplication", "duplikat dibandingkan dengan yang tiba: persentase"),
    ("reordered", "datagram yang tiba setelah yang dikirim kemudian: jumlahnya"),
    ("reordering", "yang diacak urutannya dibandingkan dengan yang tiba: persentase"),
    ("rtt", "waktu pulang-pergi melalui jaringan, tanpa waktu di dalam reflektor"),
    ("response", "sejak probe seharusnya dikirim sampai jawabannya ada di sini"),
    ("residence", "lama probe berada di dalam reflektor"),
    ("lateness", "seberapa terlambat kita mengirim"),
    ("delay", "tundaan satu arah, sejauh kedua jam memungkinkan"),
    ("variation", "tundaan satu arah di atas yang terkecil (PDV)"),
    ("ipdv", "perubahan tundaan dari satu datagram ke datagram berikutnya"),
    ("rtp-jitter", "jitter antarkedatangan seperti dihitung oleh RTP"),
    ("mos", "mutu panggilan suara: 1 (buruk) sampai 4,5 (terbaik yang ada)"),
    ("r-factor", "mutu panggilan suara menurut E-model: 0 sampai 93,2"),
    ("clock.offset", "seberapa jauh jam reflektor mendahului jam kita"),
    ("clock.bound", "kesalahan terbesar yang mungkin pada clock.offset"),
    ("clock.drift", "seberapa lebih cepat jam reflektor berjalan daripada jam kita, dalam ppm"),
    ("added-delay", "tundaan yang ditambahkan beban: selama beban dikurangi sebelumnya"),
    ("loaded-loss", "bagian dari probe selama beban yang hilang"),
    ("load-arrived", "bagian dari beban yang tiba di reflektor"),
    ("mtu", "datagram terpanjang yang dapat lewat, dengan header: MTU jalur"),
];

/// English words in the names of sources, and the same in Indonesian.
const IN_SOURCES: [(&str, &str); 7] = [
    ("section", "bagian"),
    ("appendix", "lampiran"),
    ("annex", "lampiran"),
    ("round trip", "pulang-pergi"),
    ("one way", "satu arah"),
    ("from the intended time of sending", "dari waktu pengiriman yang direncanakan"),
    ("wire time", "waktu di kabel"),
];

/// What a figure is, and where it is defined; the source is empty for words of our own.
pub(super) fn definition(name: &str, language: Language) -> Option<(&'static str, String)> {
    let topic: Topic = name.parse().ok()?;
    let source = topic.source().to_owned();
    match language {
        Language::English => Some((topic.summary(), source)),
        Language::Indonesian => {
            let (_, text) = INDONESIAN.iter().find(|(word, _)| *word == name)?;
            let source = IN_SOURCES.iter().fold(source, |source, (english, ours)| source.replace(english, ours));
            Some((text, source))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::figures::Quantity;

    #[test]
    fn every_figure_has_a_sentence_in_both_languages() {
        for quantity in Quantity::ALL {
            let [english, indonesian] = [Language::English, Language::Indonesian]
                .map(|language| definition(quantity.word(), language).unwrap());
            assert!(!english.0.is_empty() && english.0 != indonesian.0, "{english:?} {indonesian:?}");
        }
        assert_eq!(INDONESIAN.len(), Quantity::ALL.len());
    }
}
