//! TLS alerts: which of them refuse a caller, and their names as the RFCs write them.
//!
//! An alert about the certificate, its issuer, its key or its absence is a refusal. One about
//! versions, protocols or the server's own trouble is none: it says nothing of the caller.

use rustls::AlertDescription as Alert;

/// Whether this alert refuses the caller.
///
/// `handshake_failure` is counted, since TLS 1.2 knows no other word for "no certificate came",
/// and so are the alerts for a certificate that cannot be read: a control with a good caller tells
/// them from a server that has no cipher in common with us.
pub const fn refuses(alert: Alert) -> bool {
    matches!(
        alert,
        Alert::HandshakeFailure
            | Alert::NoCertificate
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::IllegalParameter
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::DecodeError
            | Alert::DecryptError
            | Alert::CertificateRequired
    )
}

/// The alert's name in RFC 8446, section 6, or its number.
pub(super) fn name(alert: Alert) -> String {
    let known = match alert {
        Alert::CloseNotify => "close_notify",
        Alert::UnexpectedMessage => "unexpected_message",
        Alert::BadRecordMac => "bad_record_mac",
        Alert::RecordOverflow => "record_overflow",
        Alert::HandshakeFailure => "handshake_failure",
        Alert::NoCertificate => "no_certificate",
        Alert::BadCertificate => "bad_certificate",
        Alert::UnsupportedCertificate => "unsupported_certificate",
        Alert::CertificateRevoked => "certificate_revoked",
        Alert::CertificateExpired => "certificate_expired",
        Alert::CertificateUnknown => "certificate_unknown",
        Alert::IllegalParameter => "illegal_parameter",
        Alert::UnknownCA => "unknown_ca",
        Alert::AccessDenied => "access_denied",
        Alert::DecodeError => "decode_error",
        Alert::DecryptError => "decrypt_error",
        Alert::ProtocolVersion => "protocol_version",
        Alert::InsufficientSecurity => "insufficient_security",
        Alert::InternalError => "internal_error",
        Alert::InappropriateFallback => "inappropriate_fallback",
        Alert::UserCanceled => "user_canceled",
        Alert::MissingExtension => "missing_extension",
        Alert::UnsupportedExtension => "unsupported_extension",
        Alert::UnrecognisedName => "unrecognized_name",
        Alert::CertificateRequired => "certificate_required",
        Alert::NoApplicationProtocol => "no_application_protocol",
        other => return format!("number {}", u8::from(other)),
    };
    known.to_owned()
}
