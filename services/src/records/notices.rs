//! The webhook: results that come from outside, signed with a secret that is shared.
//!
//! Whoever brings a notice must be a member that stands, as everybody who is heard here; that it is
//! genuine, the signature alone says. The entry in the audit log says which version it was. A
//! notice sets its record's text. No policy is asked: who holds the secret may.

use std::sync::Arc;

use ca::conn::MAX_MESSAGE;
use proto::records::v1::notices_server::{Notices, NoticesServer};
use proto::records::v1::{Notice, NoticeReply};
use tonic::{Request, Response, Status};

use super::grpc::{RecordsService, check, unavailable};
use crate::guard::Notify;
use crate::member::Member;
use crate::secret::{Secrets, notice, webhook};

/// The webhook of one region's records.
pub struct NoticesService {
    member: Member,
    secrets: Secrets,
    records: Arc<RecordsService>,
}

impl NoticesService {
    /// A webhook into these records.
    pub fn new(member: Member, secrets: Secrets, records: RecordsService) -> Self {
        Self {
            member,
            secrets,
            records: Arc::new(records),
        }
    }

    /// The service as tonic serves it.
    pub fn server(self) -> NoticesServer<Self> {
        NoticesServer::new(self).max_decoding_message_size(MAX_MESSAGE)
    }
}

#[tonic::async_trait]
impl Notices for NoticesService {
    async fn deliver(&self, request: Request<Notice>) -> Result<Response<NoticeReply>, Status> {
        let notice = request.get_ref();
        check(&notice.id, &notice.text)?;
        let start = &self.member.start;
        let (held, tolerance) = (self.secrets.get(&webhook()), start.posture.tls.tolerance);
        let found = notice::judge(&held, notice, start.seams.clock.now(), tolerance);
        let resource = format!("{}@webhook.{}", notice.id, notice.version);
        let guard = self.records.guard();
        let permit = guard.admit_proved::<Notify, _>(&request, &resource, found);
        let permit = permit.await?;
        let taken = self.records.notify(&permit, &notice.id, &notice.text);
        Ok(Response::new(NoticeReply {
            version: taken.map_err(unavailable)?.version,
            policy_size: permit.policy_size(),
        }))
    }
}

#[cfg(test)]
#[path = "notices_tests.rs"]
mod tests;
