#include "api/problem.hpp"

#include "storage/model/json_text.hpp"

#include <algorithm>

namespace rowlock::api {

problem_kind kind_of(errc code)
{
    switch (code) {
    case errc::malformed_json: return {"MALFORMED_JSON", 400};
    case errc::malformed_http: return {"MALFORMED_HTTP", 400};
    case errc::invalid_request: return {"INVALID_REQUEST", 422};
    case errc::not_found: return {"NOT_FOUND", 404};
    case errc::job_not_found: return {"JOB_NOT_FOUND", 404};
    case errc::job_version_not_found: return {"JOB_VERSION_NOT_FOUND", 404};
    case errc::job_disabled: return {"JOB_DISABLED", 409};
    case errc::idempotency_key_reused: return {"IDEMPOTENCY_KEY_REUSED", 409};
    case errc::already_ended: return {"ALREADY_ENDED", 409};
    case errc::not_retryable: return {"NOT_RETRYABLE", 409};
    case errc::not_waiting: return {"NOT_WAITING", 409};
    case errc::signature_reused: return {"SIGNATURE_REUSED", 409};
    case errc::version_conflict: return {"VERSION_CONFLICT", 412};
    case errc::dependency_cycle: return {"DEP_002_CYCLE_DETECTED", 422};
    case errc::invalid_cron: return {"SCHED_001_INVALID_CRON", 422};
    case errc::invalid_timezone: return {"SCHED_002_INVALID_TIMEZONE", 422};
    case errc::schedule_conflict: return {"SCHED_003_SCHEDULE_CONFLICT", 422};
    case errc::policy_violation: return {"POLICY_VIOLATION", 422};
    case errc::budget_exceeded: return {"BUDGET_EXCEEDED", 429};
    case errc::unauthenticated: return {"UNAUTHENTICATED", 401};
    case errc::forbidden: return {"FORBIDDEN", 403};
    case errc::method_not_allowed: return {"METHOD_NOT_ALLOWED", 405};
    case errc::body_too_large: return {"BODY_TOO_LARGE", 413};
    case errc::headers_too_large: return {"HEADERS_TOO_LARGE", 431};
    case errc::unsupported_media_type: return {"UNSUPPORTED_MEDIA_TYPE", 415};
    case errc::request_timeout: return {"REQUEST_TIMEOUT", 408};
    case errc::upgrade_required: return {"UPGRADE_REQUIRED", 426};
    case errc::rate_limited: return {"RATE_LIMITED", 429};
    case errc::overloaded: return {"OVERLOADED", 503};
    case errc::resource_exhausted: return {"RESOURCE_EXHAUSTED", 503};
    case errc::database_unavailable: return {"DATABASE_UNAVAILABLE", 503};
    case errc::stopping: return {"STOPPING", 503};
    case errc::lease_lost: return {"LEASE_LOST", 503};
    case errc::internal: return {"INTERNAL", 500};
    }
    return {"INTERNAL", 500};
}

namespace {

bool asks_for_patience(const error& e)
{
    const int status = status_of(e);
    return status == 429 || status == 503;
}

std::size_t retry_after_of(const error& e)
{
    return static_cast<std::size_t>(std::max<std::int64_t>(e.retry_after.value_or(std::chrono::seconds{1}).count(), 1));
}

void append_cycle(std::string& out, const std::vector<std::string>& path)
{
    out.append(",\"cycle_path\":");
    for (std::size_t i = 0; i < path.size(); ++i) {
        out.push_back(i == 0 ? '[' : ',');
        append_string(out, path[i]);
    }
    out.push_back(']');
}

}

int status_of(const error& e)
{
    const bool named_in_the_body = !e.fields.empty() && (e.code == errc::job_not_found || e.code == errc::job_version_not_found);
    return named_in_the_body ? 422 : kind_of(e.code).status;
}

void append_problem(std::string& out, const error& e)
{
    const auto kind = kind_of(e.code);
    out.append("{\"type\":\"urn:rowlock:problem:");
    for (const char c : kind.code) out.push_back(c == '_' ? '-' : c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
    out.append("\",\"title\":");
    append_string(out, sentence(e.code));
    out.append(",\"status\":");
    append_count(out, static_cast<std::size_t>(status_of(e)));
    out.append(",\"detail\":");
    append_string(out, e.detail.empty() ? sentence(e.code) : std::string_view(e.detail));
    out.append(",\"code\":\"").append(kind.code).append("\"");
    if (!e.fields.empty()) {
        out.append(",\"errors\":[");
        for (bool first = true; const auto& field : e.fields) {
            if (!first) out.push_back(',');
            first = false;
            out.append("{\"field\":");
            append_string(out, field.field);
            // The text of a long value is cut, and then it is no JSON any more: it is shown as a string.
            out.append(",\"value\":");
            if (field.value.empty()) {
                out.append("null");
            } else if (parse_json(field.value)) {
                out.append(field.value);
            } else {
                append_string(out, field.value);
            }
            out.append(",\"message\":");
            append_string(out, field.message);
            if (field.kind != errc::invalid_request) out.append(",\"code\":\"").append(kind_of(field.kind).code).append("\"");
            if (!field.cycle_path.empty()) append_cycle(out, field.cycle_path);
            out.push_back('}');
        }
        out.push_back(']');
    }
    if (asks_for_patience(e)) {
        out.append(",\"retry_after\":");
        append_count(out, retry_after_of(e));
    }
    out.push_back('}');
}

void write_problem(response& reply, const error& e)
{
    reply.status = status_of(e);
    reply.content_type = problem_type;
    reply.body.clear();
    append_problem(reply.body, e);
    if (asks_for_patience(e)) {
        reply.headers.append("Retry-After: ");
        append_count(reply.headers, retry_after_of(e));
        reply.headers.append("\r\n");
    }
    if (reply.status == 426) reply.headers.append("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n");
    if (reply.status == 401) reply.add_header("WWW-Authenticate", "Bearer realm=\"rowlock\"");
    switch (e.code) {
    case errc::malformed_http:
    case errc::headers_too_large:
    case errc::body_too_large:
    case errc::request_timeout:
    case errc::stopping: reply.close = true; break;
    case errc::malformed_json: case errc::invalid_request: case errc::not_found: case errc::job_not_found: case errc::job_version_not_found:
    case errc::job_disabled: case errc::idempotency_key_reused: case errc::already_ended: case errc::not_retryable: case errc::not_waiting: case errc::signature_reused: case errc::version_conflict: case errc::dependency_cycle:
    case errc::invalid_cron: case errc::invalid_timezone: case errc::schedule_conflict: case errc::policy_violation: case errc::budget_exceeded: case errc::unauthenticated: case errc::forbidden: case errc::method_not_allowed: case errc::unsupported_media_type: case errc::upgrade_required: case errc::rate_limited:
    case errc::overloaded: case errc::resource_exhausted: case errc::database_unavailable: case errc::lease_lost: case errc::internal: break;
    }
}

response problem(const error& e)
{
    response reply;
    write_problem(reply, e);
    return reply;
}

error not_found(std::string detail)
{
    return {errc::not_found, std::move(detail)};
}

}
