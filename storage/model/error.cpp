#include "storage/model/error.hpp"

#include <stdexcept>

namespace rowlock {

std::string_view sentence(errc code)
{
    switch (code) {
    case errc::malformed_json: return "The body is not a JSON object in UTF-8.";
    case errc::malformed_http: return "The request is not HTTP/1.1.";
    case errc::invalid_request: return "The request is well-formed, but some of its fields are refused.";
    case errc::not_found: return "There is nothing at this path.";
    case errc::job_not_found: return "No job has this id.";
    case errc::job_version_not_found: return "The job has no such version.";
    case errc::job_disabled: return "The job is disabled.";
    case errc::idempotency_key_reused: return "The idempotency key was used before with another request.";
    case errc::already_ended: return "What this is asked of has ended.";
    case errc::not_retryable: return "The execution cannot be retried.";
    case errc::not_waiting: return "The execution waits for no report.";
    case errc::signature_reused: return "This signed message was taken in before.";
    case errc::version_conflict: return "The definition has changed since it was read.";
    case errc::dependency_cycle: return "The dependencies form a cycle.";
    case errc::invalid_cron: return "The cron expression cannot be understood, or never fires.";
    case errc::invalid_timezone: return "There is no such time zone.";
    case errc::schedule_conflict: return "The members of the schedule contradict each other.";
    case errc::policy_violation: return "A policy does not allow this.";
    case errc::budget_exceeded: return "A budget is used up.";
    case errc::unauthenticated: return "A valid token is required.";
    case errc::forbidden: return "The token does not permit this.";
    case errc::method_not_allowed: return "The path does not take this method.";
    case errc::body_too_large: return "The body is too large.";
    case errc::headers_too_large: return "The headers are too large.";
    case errc::unsupported_media_type: return "The body must be application/json.";
    case errc::request_timeout: return "The request took too long to arrive.";
    case errc::upgrade_required: return "The path speaks WebSocket.";
    case errc::rate_limited: return "A limit that refuses is reached.";
    case errc::overloaded: return "The server has reached one of its bounds.";
    case errc::resource_exhausted: return "The server is short of a resource, and takes only what is urgent.";
    case errc::database_unavailable: return "The database cannot be reached.";
    case errc::stopping: return "The server is stopping, or takes no work.";
    case errc::lease_lost: return "The instance has lost its lease.";
    case errc::internal: return "Something failed that should not have.";
    }
    return "";
}

void throw_exception_from_error(const error& e, const boost::source_location&)
{
    throw std::logic_error("an error was taken for a value: " + e.detail);
}

}
