//! Each shard's share of the rates of keys, which are the whole process's.
//!
//! A shard counts requests by key, and lets them in at its own share of the key's rate: that needs
//! nothing of other shards. Some times a second the process looks at what each shard counted, and
//! divides each rate anew, by where the key's requests come. A shard takes its shares over between
//! requests.

/// The part of a rate that goes to every shard alike, so that a client that comes to another shard is
/// let in at once.
const EVEN: f64 = 0.05;

/// The shares of a rate, by how many requests each shard was asked for by this key lately, in the
/// rate's own unit.
///
/// All of it is given out. Where it is enough for all that ask, what is left goes to all alike.
/// Otherwise the shards that ask for little get that, and the others the same each.
pub fn shares(rate: f64, demands: &[f64]) -> Vec<f64> {
    let count = demands.len() as f64;
    let even = rate * EVEN / count;
    let mut left = rate * (1.0 - EVEN);
    let mut shares = vec![even; demands.len()];
    // From the smallest demand up, each gets at most its part of what is left.
    let mut order: Vec<usize> = (0..demands.len()).collect();
    order.sort_by(|one, other| demands[*one].total_cmp(&demands[*other]));
    for (place, shard) in order.iter().enumerate() {
        let part = left / (count - place as f64);
        let given = (demands[*shard] - even).clamp(0.0, part);
        shares[*shard] += given;
        left -= given;
    }
    for share in &mut shares {
        *share += left / count;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::shares;

    fn rounded(rate: f64, demands: &[f64]) -> Vec<f64> {
        let shares = shares(rate, demands);
        assert!((shares.iter().sum::<f64>() - rate).abs() < 1e-9 * rate, "{shares:?}");
        shares.iter().map(|share| share.round()).collect()
    }

    #[test]
    fn all_of_a_rate_is_given_out_by_where_requests_come() {
        // Nobody asks: all alike.
        assert_eq!(rounded(100.0, &[0.0, 0.0, 0.0, 0.0]), [25.0, 25.0, 25.0, 25.0]);
        // One shard has it all but for what lets a newcomer in.
        assert_eq!(rounded(1_000.0, &[5_000.0, 0.0]), [975.0, 25.0]);
        // Too much is asked: those that ask for little get it.
        assert_eq!(rounded(1_000.0, &[100.0, 2_000.0, 9_000.0]), [100.0, 450.0, 450.0]);
        // There is enough: what is left goes to all.
        assert_eq!(rounded(1_000.0, &[100.0, 300.0]), [400.0, 600.0]);
        assert_eq!(rounded(1_000.0, &[1.0]), [1_000.0]);
    }
}
