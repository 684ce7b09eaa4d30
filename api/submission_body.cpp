#include "api/submission_body.hpp"

#include "storage/model/json_text.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/string.hpp>
#include <charconv>
#include <cmath>
#include <fmt/format.h>
#include <limits>
#include <unordered_map>

namespace rowlock::api {

namespace {

namespace json = boost::json;

constexpr std::size_t most_tags = 64;
constexpr text_bounds tag_bounds{1, 256};
constexpr text_bounds tag_value_bounds{0, 256};
constexpr text_bounds correlation_bounds{1, 255};
constexpr std::size_t longest_key = 255;
constexpr int most_priority = 1000;

std::string_view view(json::string_view text)
{
    return {text.data(), text.size()};
}

// Also takes 5.0, as 5.
std::optional<std::int64_t> to_integer(const json::value& v)
{
    if (const auto* i = v.if_int64()) return *i;
    const auto* d = v.if_double();
    if (d && std::floor(*d) == *d && std::fabs(*d) < 1e15) return static_cast<std::int64_t>(*d);
    return std::nullopt;
}

// Reads the members of one submission. One pass over what was given, and no memory unless something is wrong.
class reader {
public:
    reader(std::string_view path, field_errors& errors, submission_body& out) : path_(path), errors_(errors), out_(out) {}

    void read(const json::object& body)
    {
        bool named = false;
        for (const auto& member : body) {
            name_ = view(member.key());
            value_ = &member.value();
            named = named || name_ == "job_id";
            if (value_->is_null() && name_ != "job_id" && is_known()) continue;
            read_member();
        }
        if (!named) errors_.add_missing(path_of(path_, "job_id"));
    }

private:
    bool is_known() const
    {
        constexpr std::string_view names[] = {"job_id", "parameters", "priority", "scheduled_time", "idempotency_key", "correlation_id", "job_version", "tags",
                                                "ignore_dependencies"};
        return std::find(std::begin(names), std::end(names), name_) != std::end(names);
    }

    void refuse(std::string message) { errors_.add(path_of(path_, name_), value_, std::move(message)); }

    std::optional<std::string_view> text(std::string_view what)
    {
        if (const auto* s = value_->if_string()) return std::string_view(s->data(), s->size());
        refuse(std::string(what));
        return std::nullopt;
    }

    void read_member()
    {
        if (name_ == "job_id") {
            const auto id = text("must be the id of a job, as text");
            if (!id) return;
            out_.job_id = *id;
            if (!is_slug(*id)) refuse("must be 1 to 128 of a-z, 0-9, '.', '_', '-', beginning with a letter or digit");
        } else if (name_ == "parameters") {
            out_.parameters = value_->if_object();
            if (!out_.parameters) refuse("must be an object");
        } else if (name_ == "priority") {
            const auto n = to_integer(*value_);
            if (n && *n >= -most_priority && *n <= most_priority) {
                out_.priority = static_cast<int>(*n);
            } else {
                refuse(fmt::format("must be an integer from -{0} to {0}", most_priority));
            }
        } else if (name_ == "scheduled_time") {
            const auto given = text("must be a time as in RFC 3339, as text");
            if (!given) return;
            out_.scheduled_time = parse_rfc3339(*given);
            if (!out_.scheduled_time) refuse("must be a time as in RFC 3339, like 2026-01-31T09:30:00Z, from 1970 to 9999");
        } else if (name_ == "idempotency_key") {
            const auto key = text("must be text");
            if (!key) return;
            out_.idempotency_key = *key;
            if (const auto why = refusal_of_key(*key); !why.empty()) refuse(std::string(why));
        } else if (name_ == "correlation_id") {
            const auto id = text("must be text");
            if (!id) return;
            out_.correlation_id = *id;
            if (auto why = refusal_of(*id, correlation_bounds); !why.empty()) refuse(std::move(why));
        } else if (name_ == "job_version") {
            const auto n = to_integer(*value_);
            if (n && *n >= 1 && *n <= std::numeric_limits<std::int32_t>::max()) {
                out_.job_version = static_cast<int>(*n);
            } else {
                refuse("must be an integer from 1");
            }
        } else if (name_ == "tags") {
            read_tags();
        } else if (name_ == "ignore_dependencies") {
            if (const auto* flag = value_->if_bool()) out_.ignore_dependencies = *flag;
            else refuse("must be true or false");
        } else {
            refuse("is not a known field; check its spelling or leave it out");
        }
    }

    void read_tags()
    {
        out_.tags = value_->if_object();
        if (!out_.tags) {
            refuse("must be an object of texts");
            return;
        }
        if (out_.tags->size() > most_tags) refuse(fmt::format("must have at most {} entries, not {}", most_tags, out_.tags->size()));
        const std::string_view name = name_;
        for (const auto& tag : *out_.tags) {
            const auto* value = tag.value().if_string();
            std::string why;
            if (!value) {
                why = "must be text";
            } else if (why = refusal_of(view(tag.key()), tag_bounds); !why.empty()) {
                why = "has a key that " + why;
            } else {
                why = refusal_of({value->data(), value->size()}, tag_value_bounds);
            }
            if (!why.empty()) errors_.add(path_of(path_of(path_, name), view(tag.key())), &tag.value(), std::move(why));
        }
    }

    std::string_view path_;
    field_errors& errors_;
    submission_body& out_;
    std::string_view name_;
    const json::value* value_ = nullptr;
};

void append_member(std::string& out, std::string_view name)
{
    out.append(out.back() == '{' ? "\"" : ",\"").append(name).append("\":");
}

void append_integer(std::string& out, int number)
{
    char digits[12];
    out.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
}

}

std::string_view refusal_of_key(std::string_view key)
{
    const bool right = !key.empty() && key.size() <= longest_key && std::all_of(key.begin(), key.end(), [](char c) { return c > ' ' && c < '\x7f'; });
    return right ? std::string_view{} : "must be 1 to 255 visible ASCII characters";
}

void read_submission(const json::object& body, std::string_view path, field_errors& errors, submission_body& out)
{
    reader(path, errors, out).read(body);
}

void read_batch(const json::object& body, field_errors& errors, std::vector<submission_body>& out)
{
    for (const auto& member : body) {
        if (view(member.key()) != "executions") errors.add(std::string(view(member.key())), &member.value(), "is not a known field; check its spelling or leave it out");
    }
    read_submissions(body.if_contains("executions"), errors, out);
}

void read_submissions(const json::value* given, field_errors& errors, std::vector<submission_body>& out)
{
    if (!given) {
        errors.add_missing("executions");
        return;
    }
    const auto* list = given->if_array();
    if (!list) {
        errors.add("executions", given, "must be an array of submissions");
        return;
    }
    if (list->empty() || list->size() > most_in_a_batch) {
        errors.add("executions", nullptr, fmt::format("must have 1 to {} submissions, not {}", most_in_a_batch, list->size()));
        return;
    }
    out.resize(list->size());
    std::unordered_map<std::string_view, std::size_t> keys;
    for (std::size_t i = 0; i < list->size(); ++i) {
        const auto& item = (*list)[i];
        const std::string path = path_of("executions", i);
        const auto* object = item.if_object();
        if (!object) {
            errors.add(path, &item, "must be an object");
            continue;
        }
        read_submission(*object, path, errors, out[i]);
        if (out[i].idempotency_key.empty()) continue;
        const auto [first, is_new] = keys.emplace(out[i].idempotency_key, i);
        if (!is_new) errors.add(path_of(path, "idempotency_key"), object->if_contains("idempotency_key"), fmt::format("is the key of executions[{}] too", first->second));
    }
}

void refuse_nul(const json::object& body, std::string_view text, field_errors& errors)
{
    if (text.find("\\u0000") == std::string_view::npos) return;
    for (auto& path : find_every_nul(body, field_errors::most)) errors.add(std::move(path), nullptr, "must not contain U+0000: the database cannot keep it");
}

void append_key_request(std::string& out, const submission_body& given)
{
    out.push_back('{');
    append_member(out, "job_id");
    append_string(out, given.job_id);
    if (given.parameters && !given.parameters->empty()) {
        append_member(out, "parameters");
        append_text(out, *given.parameters);
    }
    if (given.priority != 0) {
        append_member(out, "priority");
        append_integer(out, given.priority);
    }
    if (given.scheduled_time) {
        append_member(out, "scheduled_time");
        append_string(out, to_rfc3339(*given.scheduled_time));
    }
    if (!given.correlation_id.empty()) {
        append_member(out, "correlation_id");
        append_string(out, given.correlation_id);
    }
    if (given.job_version != 0) {
        append_member(out, "job_version");
        append_integer(out, given.job_version);
    }
    if (given.tags && !given.tags->empty()) {
        append_member(out, "tags");
        append_text(out, *given.tags);
    }
    if (given.ignore_dependencies) {
        append_member(out, "ignore_dependencies");
        out.append("true");
    }
    out.push_back('}');
}

std::string merge_parameters(const job_version& job, const json::object* own)
{
    if (!own || own->empty()) return job.default_parameters;
    std::string out;
    if (job.definition.parameters.empty()) {
        append_text(out, *own);
        return out;
    }
    out.push_back('{');
    for (const auto& each : job.definition.parameters) {
        if (own->contains(each.key())) continue;
        if (out.size() > 1) out.push_back(',');
        append_string(out, view(each.key()));
        out.push_back(':');
        append_text(out, each.value());
    }
    for (const auto& each : *own) {
        if (out.size() > 1) out.push_back(',');
        append_string(out, view(each.key()));
        out.push_back(':');
        append_text(out, each.value());
    }
    out.push_back('}');
    return out;
}

}
