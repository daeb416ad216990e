//! Texts of casts.

use super::*;
use proptest::prelude::*;

fn shown(moment: DateTime) -> String {
    let mut out = String::new();
    write_timestamp(moment, 9, &mut out);
    out
}

fn read(text: &str) -> Option<String> {
    parse_timestamp(text).map(shown)
}

proptest! {
    #[test]
    fn printed_timestamps_read_back(seconds in -62_135_596_800i64..253_402_300_800, nanos in 0u32..1_000_000_000) {
        let moment = DateTime { seconds, nanos };
        prop_assert_eq!(parse_timestamp(&shown(moment)), Some(moment));
    }

    #[test]
    fn no_text_panics(text in "[0-9TZ:+. -]{0,30}") {
        let _ = (parse_date(&text), parse_time(&text), parse_timestamp(&text));
        let _ = parse_timestamp_any(&text);
    }
}

#[test]
fn timestamps_read_as_in_flink() {
    assert_eq!(read("2024-02-29 10:11:12.").as_deref(), Some("2024-02-29 10:11:12.000000000"));
    assert_eq!(read("2024-02-30 10:11:12").as_deref(), Some("2024-02-29 10:11:12.000000000"));
    assert_eq!(read("2024-02-29 24:00:00").as_deref(), Some("2024-03-01 00:00:00.000000000"));
    assert_eq!(read("2024-2-9 1:2:3.5").as_deref(), Some("2024-02-09 01:02:03.500000000"));
    for text in [
        "",
        "2024",
        "2024-02-29 10:11",
        "2024-02-29T10:11:12",
        "0000-01-01",
        "10000-01-01",
        "2024-02-29 10:11:60",
        "2024-13-01",
        " 2024-02-29",
        "2024-02-29 10:11:12.1234567891",
    ] {
        assert_eq!(read(text), None, "{text}");
    }
}

#[test]
fn iso_forms_read_with_their_zone() {
    let at = |text: &str| parse_timestamp_any(text).map(|(moment, zone)| (moment.seconds, zone));
    let seconds = 1_709_201_472;
    assert_eq!(at("2024-02-29T10:11:12Z"), Some((seconds, Some(0))));
    assert_eq!(at("2024-02-29T10:11:12.5+02:00"), Some((seconds, Some(7200))));
    assert_eq!(at("2024-02-29 10:11:12-0130"), Some((seconds, Some(-5400))));
    assert_eq!(at("2024-02-29 10:11"), Some((seconds - 12, None)));
    assert_eq!(at("2024-02-29T10:11:12 UTC"), None);
    assert_eq!(at("2024-02-29T10:11:12+1"), None);
}
