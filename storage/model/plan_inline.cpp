#include "storage/model/plan_parts.hpp"

#include "storage/model/json_text.hpp"
#include "storage/model/sha256.hpp"

#include <algorithm>
#include <array>
#include <boost/json/string.hpp>

namespace rowlock::plan {

namespace json = boost::json;

namespace {

// What a node says about itself. Everything else beside a handler belongs to the job that it describes.
constexpr std::array<std::string_view, 10> node_members{"node_id", "job_id", "job_version", "parameters", "needs", "fallback", "for_each", "tags", "priority",
                                                        "skip_on_upstream_skip"};

// What a definition may have and a node's own job may not.
constexpr std::array<std::string_view, 19> starting_members{"schedule", "cron_expression", "interval_seconds", "timezone", "tolerance_seconds", "skip_if_running",
                                                            "queue_if_running", "catchup_enabled", "max_catchup_runs", "execution_windows", "skip_outside_window",
                                                            "triggers", "dependencies", "require_all", "dedupe", "enabled", "version", "reason", "tenant_id"};

// A slug that stands for the id until the content, from which the id is made, is read.
constexpr std::string_view no_id_yet = "inline";

template <std::size_t N>
bool among(const std::array<std::string_view, N>& names, std::string_view name)
{
    return std::find(names.begin(), names.end(), name) != names.end();
}

std::string_view key_of(const json::key_value_pair& member)
{
    return {member.key().data(), member.key().size()};
}

// Text in which objects that are equal are equal, whatever the order of their members.
void append_sorted(std::string& out, const json::value& v)
{
    if (const auto* object = v.if_object()) {
        std::vector<const json::key_value_pair*> members;
        for (const auto& member : *object) members.push_back(&member);
        std::sort(members.begin(), members.end(), [](const auto* a, const auto* b) { return key_of(*a) < key_of(*b); });
        out += '{';
        for (const auto* member : members) {
            append_string(out, key_of(*member));
            out += ':';
            append_sorted(out, member->value());
            out += ',';
        }
        out += '}';
    } else if (const auto* array = v.if_array()) {
        out += '[';
        for (const auto& item : *array) {
            append_sorted(out, item);
            out += ',';
        }
        out += ']';
    } else {
        append_text(out, v);
    }
}

std::string id_of(const json::object& document)
{
    json::object content = document;
    content.erase("job_id");
    std::string text;
    append_sorted(text, std::move(content));
    return "inline." + sha256_hex(text).substr(0, 16);
}

void refuse_starting(const json::object& node, field_errors& errors)
{
    for (const auto name : starting_members) {
        const auto* given = node.if_contains(name);
        if (!given || given->is_null()) continue;
        errors.add(std::string(name), given, "is of jobs that are started by themselves; a node starts when its needs hold; leave it out, or give the node a job_id");
    }
}

}

result<std::uint32_t> inline_job_table::take(const json::object& node)
{
    std::string text;
    for (const auto& member : node) {
        if (among(node_members, key_of(member))) continue;
        append_string(text, key_of(member));
        append_text(text, member.value());
    }
    if (const auto known = by_text_.find(text); known != by_text_.end()) return known->second;
    json::object definition;
    for (const auto& member : node) {
        if (!among(node_members, key_of(member)) && !among(starting_members, key_of(member))) definition.emplace(member.key(), member.value());
    }
    field_errors errors;
    refuse_starting(node, errors);
    const auto parsed = parse(definition);
    if (!parsed) errors.add_all(parsed.error(), "");
    if (!errors.empty()) return std::move(errors).take("The handler");
    by_text_.emplace(std::move(text), *parsed);
    return *parsed;
}

result<std::uint32_t> inline_job_table::parse(const json::object& definition)
{
    auto parsed = parse_job_definition(definition, no_id_yet, defaults_);
    if (!parsed) return std::move(parsed).error();
    auto job = std::make_shared<job_definition>(std::move(*parsed));
    job->job_id = id_of(job->document);
    job->document["job_id"] = job->job_id;
    const auto [at, is_new] = by_id_.emplace(job->job_id, static_cast<std::uint32_t>(jobs_.size()));
    if (is_new) jobs_.push_back(std::move(job));
    return at->second;
}

}
