//! Places on the earth, in degrees.

use super::{Function, Overload};
use crate::expression::frame::Cell;
use crate::expression::kernel::finite;
use crate::expression::types::Type::{Double, Int, Text};

/// The earth's mean radius.
const RADIUS_KM: f64 = 6_371.008_8;
const RADIANS_PER_DEGREE: f64 = std::f64::consts::PI / 180.0;

/// The digits of a geohash.
const DIGITS: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
const GEOHASH_LETTERS_MAX: i64 = 12;
const BITS_PER_LETTER: usize = 5;

fn is_place(latitude: f64, longitude: f64) -> bool {
    (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude)
}

/// The distance of two places on a sphere; `None` where one of them is none.
pub(in crate::expression) fn haversine_km(
    [from_latitude, from_longitude, to_latitude, to_longitude]: [f64; 4],
) -> Option<f64> {
    if !is_place(from_latitude, from_longitude) || !is_place(to_latitude, to_longitude) {
        return None;
    }
    let half_sine = |from: f64, to: f64| libm::sin((to - from) * RADIANS_PER_DEGREE / 2.0);
    let north = half_sine(from_latitude, to_latitude);
    let east = half_sine(from_longitude, to_longitude);
    let cosines =
        libm::cos(from_latitude * RADIANS_PER_DEGREE) * libm::cos(to_latitude * RADIANS_PER_DEGREE);
    let square = north * north + cosines * east * east;
    let sine = libm::sqrt(if square > 1.0 { 1.0 } else { square });
    finite(2.0 * RADIUS_KM * libm::asin(sine))
}

/// Writes the geohash of a place; false where there is none.
fn write_geohash(latitude: f64, longitude: f64, letters: i64, to: &mut Vec<u8>) -> bool {
    if !is_place(latitude, longitude) || !(1..=GEOHASH_LETTERS_MAX).contains(&letters) {
        return false;
    }
    let (mut south, mut north) = (-90.0, 90.0);
    let (mut west, mut east) = (-180.0, 180.0);
    let mut is_east = true;
    for _ in 0..letters {
        let mut digit = 0;
        for _ in 0..BITS_PER_LETTER {
            let (value, low, high) = if is_east {
                (longitude, &mut west, &mut east)
            } else {
                (latitude, &mut south, &mut north)
            };
            let middle = f64::midpoint(*low, *high);
            let is_above = value >= middle;
            *(if is_above { low } else { high }) = middle;
            digit = 2 * digit + usize::from(is_above);
            is_east = !is_east;
        }
        to.push(DIGITS[digit]);
    }
    true
}

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "haversine_km",
        "km between two places, given as latitude, longitude, latitude, longitude; null beyond ±90 and ±180",
        &[Overload::new(&[Double, Double, Double, Double], Double, |frame, call| {
            frame.map4(call, haversine_km);
        })],
    ),
    Function::new(
        "geohash",
        "the geohash of a latitude and longitude, of so many letters (1 to 12)",
        &[Overload::new(&[Double, Double, Int], Text, |frame, call| {
            frame.write_text(call, |_, [latitude, longitude, letters], to| {
                write_geohash(f64::of(latitude), f64::of(longitude), i64::of(letters), to)
            });
        })],
    ),
];
