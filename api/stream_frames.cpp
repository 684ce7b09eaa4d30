#include "api/stream_frames.hpp"

#include "api/problem.hpp"
#include "api/submissions.hpp"
#include "storage/model/json_text.hpp"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <fmt/format.h>
#include <span>

namespace rowlock::api {

namespace {

namespace json = boost::json;

constexpr std::size_t longest_id = 255;

struct known_op {
    std::string_view name;
    stream_op op;
    std::span<const std::string_view> members;           // beside op and id
};
constexpr std::array<std::string_view, 2> of_submit{"executions", "idempotency_key"};
constexpr std::array<std::string_view, 5> of_subscribe{"executions", "runs", "plan_runs", "jobs", "logs"};
constexpr known_op ops[] = {{"submit", stream_op::submit, of_submit}, {"subscribe", stream_op::subscribe, of_subscribe}, {"unsubscribe", stream_op::unsubscribe, {}}};

std::string_view view(json::string_view text)
{
    return {text.data(), text.size()};
}

void read_id(const json::object& frame, field_errors& errors, stream_frame& out)
{
    const auto* id = frame.if_contains("id");
    if (!id || id->is_null()) return;
    const auto* text = id->if_string();
    if (text && text->size() <= longest_id) {
        out.id.clear();
        append_string(out.id, view(*text));
    } else if (id->is_int64() || id->is_uint64()) {
        out.id.clear();
        append_text(out.id, *id);
    } else {
        errors.add("id", id, "must be text of at most 255 bytes, or an integer");
    }
}

void read_key(const json::object& frame, field_errors& errors, stream_frame& out)
{
    const auto* key = frame.if_contains("idempotency_key");
    if (!key || key->is_null()) return;
    const auto* text = key->if_string();
    if (!text) {
        errors.add("idempotency_key", key, "must be text");
        return;
    }
    out.idempotency_key = view(*text);
    if (const auto why = refusal_of_key(out.idempotency_key); !why.empty()) errors.add("idempotency_key", key, std::string(why));
}

// Reads one list of a subscribe; `read` makes a target of a text, or nullopt.
template <class Target, class Read>
void read_targets(const json::object& frame, std::string_view name, std::string_view what, field_errors& errors, std::vector<Target>& out, Read read)
{
    const auto* given = frame.if_contains(json::string_view(name.data(), name.size()));
    if (!given || given->is_null()) return;
    const auto* list = given->if_array();
    if (!list || list->size() > most_targets) {
        errors.add(std::string(name), list ? nullptr : given, fmt::format("must be an array of at most {} ids", most_targets));
        return;
    }
    for (std::size_t i = 0; i < list->size(); ++i) {
        const auto* text = (*list)[i].if_string();
        if (auto target = text ? read(view(*text)) : std::nullopt) {
            out.push_back(std::move(*target));
        } else {
            errors.add(path_of(name, i), &(*list)[i], std::string(what));
        }
    }
}

void read_subscribe(const json::object& frame, field_errors& errors, stream_frame& out)
{
    const bool clean = errors.empty();
    const auto slug = [](std::string_view text) { return is_slug(text) ? std::optional<std::string>(text) : std::nullopt; };
    read_targets(frame, "executions", "must be the id of an execution, as text", errors, out.targets.executions, &execution_id::parse);
    read_targets(frame, "runs", "must be the id of a run, as text", errors, out.targets.runs, &execution_id::parse);
    read_targets(frame, "logs", "must be the id of an execution, as text", errors, out.targets.logs, &execution_id::parse);
    read_targets(frame, "jobs", "must be the id of a job, as text", errors, out.targets.jobs, slug);
    read_targets(frame, "plan_runs", "must be the id of a run of a plan, as text", errors, out.targets.plan_runs, &uuid::parse);
    if (out.id == "null" && errors.empty()) errors.add_missing("id");
    if (!clean || !errors.empty()) return;
    if (out.targets.size() == 0 || out.targets.size() > most_targets) {
        errors.add("executions", nullptr, fmt::format("a subscription names 1 to {} executions, runs, plan_runs, jobs or logs in all, not {}", most_targets, out.targets.size()));
    }
}

void append_head(std::string& out, std::string_view op, std::string_view id)
{
    out.append("{\"op\":\"").append(op).append("\",\"id\":").append(id).append(",");
}

}

void read_stream_frame(const json::object& frame, field_errors& errors, stream_frame& out)
{
    read_id(frame, errors, out);
    const auto* op = frame.if_contains("op");
    if (!op) {
        errors.add_missing("op");
        return;
    }
    const auto* name = op->if_string();
    const auto* known = std::find_if(std::begin(ops), std::end(ops), [name](const known_op& one) { return name && one.name == view(*name); });
    if (known == std::end(ops)) {
        errors.add("op", op, "must be submit, subscribe or unsubscribe");
        return;
    }
    out.op = known->op;
    for (const auto& member : frame) {
        const auto key = view(member.key());
        if (key == "op" || key == "id" || std::find(known->members.begin(), known->members.end(), key) != known->members.end()) continue;
        errors.add(path_of("", key), &member.value(), "is not a known field; check its spelling or leave it out");
    }
    switch (out.op) {
    case stream_op::submit: read_key(frame, errors, out); break;
    case stream_op::subscribe: read_subscribe(frame, errors, out); break;
    case stream_op::unsubscribe:
        if (out.id == "null" && errors.empty()) errors.add_missing("id");
        break;
    case stream_op::none: break;
    }
}

void append_welcome(std::string& out, std::size_t max_in_flight)
{
    out.append("{\"op\":\"welcome\",\"max_in_flight\":");
    append_count(out, max_in_flight);
    out.push_back('}');
}

void append_accepted(std::string& out, std::string_view id, const std::vector<runtime::submitted>& executions)
{
    append_head(out, "accepted", id);
    append_submitted(out, executions);
    out.push_back('}');
}

void append_rejected(std::string& out, std::string_view id, const error& why)
{
    append_head(out, "rejected", id);
    out.append("\"problem\":");
    append_problem(out, why);
    out.push_back('}');
}

void append_event(std::string& out, std::string_view id, const runtime::change& what)
{
    append_head(out, "event", id);
    if (what.execution) {
        out.append("\"execution\":").append(*what.execution);
    } else if (what.plan_run) {
        out.append("\"plan_run\":").append(*what.plan_run);
    } else {
        out.append("\"log\":{\"execution_id\":\"").append(what.log_of.str()).append("\",\"text\":");
        append_string(out, what.log);
        out.append(what.log_ended ? ",\"ended\":true}" : ",\"ended\":false}");
    }
    out.push_back('}');
}

}
