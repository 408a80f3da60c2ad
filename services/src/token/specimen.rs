//! Keys and tokens for the tests: published ones, and an issuer with a key of its own.
//!
//! The published ones are RFC 7515's examples; its keys are public and sign nothing here.

use std::time::Duration;

use ca::clock::Time;
use ca::identity::SpiffeId;
use ca::keys::{Keys as _, RingKeys};

use super::issue::{self, Issuer};
use super::keys::KeySet;
use super::verify::Demand;

/// RFC 7515, appendix A.3: the ES256 example's key.
pub(super) const A3_X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";

/// Its other coordinate.
pub(super) const A3_Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";

/// RFC 7515, appendix A.3: the ES256 example.
pub(super) const A3_TOKEN: &str = "\
    eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlL\
    mNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSA\
    pmWQxfKTUJqPP3-Kg6NU1Q";

/// RFC 7515, appendix A.2: the RS256 example's modulus; the exponent is `AQAB`.
pub(super) const A2_N: &str = "\
    ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0B\
    m4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5\
    z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7\
    aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";

/// RFC 7515, appendix A.2: the RS256 example.
pub(super) const A2_TOKEN: &str = "\
    eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlL\
    mNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7\
    AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWz\
    O75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZES\
    c6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlU\
    PQGe77Rw";

/// The modulus of a throw-away key by OpenSSL 3.0; the exponent is `AQAB`.
pub(super) const PS_N: &str = "\
    p8QJvThZtuleScNDeiRzRidAgB_jLw3hsCulSkjDaseKyP1z8IVWiUHPlRpsisa6ZixFIFVACAWcn-Nd0xNHOqJ2rF\
    dvNUcgHnjyWyX4KvqQFdH-52Xacb0ekPf0tW3epQNMNvDaYS5ouI8uXG2-OH0V3bnO390lAKmf-dsOzO3LJIWU4BhB\
    LFWR9wiLxX-aQgYvnVogbMDmvF432LCPFXQCd7MUrGC5mAp42FFXD25q126QZ4F69CgSP0vksQInPzOiLihoU6ulP9\
    q99T5SIpC2H7oBQQBb6hbF9NY4SfMjO-ZxIsHe32hACsJ845IbOO2ltN2dfop8PbsEubc6_Q";

/// A token signed with it by OpenSSL, PS256, key `ps`, good for a minute from [`BORN`].
pub(super) const PS_TOKEN: &str = "\
    eyJhbGciOiJQUzI1NiIsImtpZCI6InBzIiwidHlwIjoic2NoaXNtLWFjY2Vzcytqd3QifQ.eyJpc3MiOiJjbGluaWM\
    uZXhhbXBsZSIsInN1YiI6InNwaWZmZTovL2NsaW5pYy5leGFtcGxlL3VzZXIvYWxpY2UiLCJhdWQiOiJyZWNvcmRzI\
    iwiZXhwIjoxNzY3MjI1NjYwLCJuYmYiOjE3NjcyMjU2MDAsImlhdCI6MTc2NzIyNTYwMCwianRpIjoicHMtMSJ9.b-\
    Mk7S72V6_avPzjBIxbM_GMQ-wbDsl1c2A88B-Yn1f2z8neTsLZFtDQi51s4zwojpPonADgxIvdQwoLqsk9Kc2XL2TX\
    jiiSixEn9WpAj0n0EPAsmJr8KrXN0zOZa1K8M22XS19BgMR-dsCc2TJd_EVZpE5rtC5Us2McNRK2VvwEYPgUFrXNPU\
    wsOxkWzS5Lz4WbhRugQH3ymxcpksBcwrLQD6Owbk0He5yS8Jb20tHqjUyZ2uvB1bu9zTNw_MlI2rttBgm9COl4GALX\
    XJAFDL6-bzeRstWGpYzebTsRkmVMZormKv_fkTHuJ068F56M5NU9HbpHymw_SUD71WLMvA";

/// When the tokens of these tests are issued: 2026-01-01.
pub(super) const BORN: Time = Time::from_secs(1_767_225_600);

/// How long they last.
pub(super) const TTL: Duration = Duration::from_secs(60);

/// The digest of the leaf that they are bound to.
pub(super) const LEAF: [u8; 32] = [7; 32];

/// Whom they speak of.
pub(super) fn alice() -> SpiffeId {
    SpiffeId::parse("spiffe://clinic.example/user/alice").unwrap()
}

/// An issuer with a new key `k1`.
pub(super) fn issuer() -> Issuer {
    Issuer::new("clinic.example", "k1", &RingKeys.p256().unwrap()).unwrap()
}

/// The keys of one issuer.
pub(super) fn keys(issuer: &Issuer) -> KeySet {
    KeySet::parse(issue::jwks([issuer]).as_bytes()).unwrap()
}

/// A good token of this name.
pub(super) fn token(issuer: &Issuer, jti: &str) -> String {
    issuer
        .issue(&alice(), "records", &LEAF, BORN, TTL, jti)
        .unwrap()
}

/// What a hardened service asks for.
pub(super) const DEMAND: Demand<'static> = Demand {
    issuer: Some("clinic.example"),
    audience: Some("records"),
    leeway: Duration::from_secs(2),
    leaf_sha256: Some(LEAF),
    require_binding: true,
};
