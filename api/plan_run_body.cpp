#include "api/plan_run_body.hpp"

#include "api/idempotency_key.hpp"
#include "api/submission_body.hpp"
#include "storage/model/document_fields.hpp"

#include <boost/json/string.hpp>
#include <fmt/format.h>

namespace rowlock::api {

namespace json = boost::json;

namespace {

constexpr text_bounds correlation_bounds{1, 255};
constexpr text_bounds reference_bounds{1, 1024};

void read_which(json_fields& fields, runtime::plan_run_request& request)
{
    const auto by_id = fields.find("plan_id");
    const auto version = fields.find("plan_version");
    const auto inlined = fields.find("plan");
    if (!by_id && !inlined) fields.refuse({"plan_id", nullptr}, "is required, or a plan");
    if (by_id && inlined) fields.refuse(inlined, "cannot stand beside plan_id: run a stored plan, or give one; leave one of them out");
    if (version && !by_id) fields.refuse(version, "is of a stored plan, and there is no plan_id");
    request.plan_id = fields.slug("plan_id").value_or("");
    request.plan_version = static_cast<int>(fields.integer("plan_version", 1, std::numeric_limits<std::int32_t>::max()).value_or(0));
    if (!inlined) return;
    if (const auto* plan = inlined.value->if_object()) request.plan.emplace(*plan, json::storage_ptr());
    else fields.refuse(inlined, "must be an object: a plan");
}

void add(json::object& to, const char* name, const std::string& value)
{
    if (!value.empty()) to[name] = value;
}

// What has to be equal for a replay: what differs from the request's own defaults.
std::string key_request_of(const runtime::plan_run_request& request)
{
    json::object asked;
    add(asked, "plan_id", request.plan_id);
    if (request.plan_version != 0) asked["plan_version"] = request.plan_version;
    if (request.plan) asked["plan"] = *request.plan;
    if (!request.parameters.empty()) asked["parameters"] = request.parameters;
    add(asked, "correlation_id", request.correlation_id);
    if (!request.tags.empty()) asked["tags"] = request.tags;
    add(asked, "contract_ref", request.contract_ref);
    add(asked, "approval_ref", request.approval_ref);
    return to_text(asked);
}

}

result<plan_run_body> read_plan_run(const request_context& rq, const json::object& body)
{
    field_errors errors;
    json::object accepted;
    json_fields fields(body, "", errors, accepted);
    plan_run_body given;
    auto& request = given.request;
    read_which(fields, request);
    if (auto parameters = fields.free_object("parameters")) request.parameters = std::move(*parameters);
    given.dry_run = fields.boolean("dry_run").value_or(false);
    const auto key_in_body = fields.find("idempotency_key");
    const auto* key_text = key_in_body ? key_in_body.value->if_string() : nullptr;
    std::string_view own_key;
    if (key_text) {
        own_key = {key_text->data(), key_text->size()};
        if (const auto why = refusal_of_key(own_key); !why.empty()) fields.refuse(key_in_body, std::string(why));
    } else if (key_in_body) {
        fields.refuse(key_in_body, "must be text");
    }
    request.correlation_id = fields.text("correlation_id", correlation_bounds).value_or("");
    for (const auto& [name, value] : document::read_tags(fields)) request.tags[name] = value;
    request.contract_ref = fields.text("contract_ref", reference_bounds).value_or("");
    request.approval_ref = fields.text("approval_ref", reference_bounds).value_or("");
    fields.refuse_rest();
    refuse_nul(body, rq.rq.body(), errors);
    request.idempotency_key = agreed_key(rq.rq, own_key, errors);
    if (!errors.empty()) {
        // Of the plan as much as of the rest.
        if (request.plan) {
            const auto parsed = parse_plan(*request.plan, "", rq.app.instance.jobs().defaults());
            if (!parsed) errors.add_all(parsed.error(), "plan");
        }
        return std::move(errors).take("The plan run");
    }
    request.trace_parent = rq.trace_parent;
    if (!request.idempotency_key.empty()) request.key_request = key_request_of(request);
    return given;
}

}
