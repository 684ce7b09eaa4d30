#include "api/failure_filters.hpp"

namespace rowlock::api {

namespace {

constexpr std::string_view time_rule = "must be a time as in RFC 3339, like 2026-01-31T09:30:00Z, from 1970 to 9999";
constexpr std::size_t uuid_length = 36;

storage::failure_filter read_what(query_reader& query)
{
    storage::failure_filter filter;
    if (const auto job = query.text("job_id")) {
        filter.job_id = *job;
        if (!is_slug(*job)) query.refuse("job_id", *job, "is not the id of a job");
    }
    filter.error_code = query.text("error_code").value_or("");
    filter.since = query.time("since");
    filter.until = query.time("until");
    return filter;
}

std::optional<timestamp> read_time(json_fields& fields, std::string_view name)
{
    const auto given = fields.find(name);
    if (!given) return std::nullopt;
    const auto* text = given.value->if_string();
    const auto at = text ? parse_rfc3339({text->data(), text->size()}) : std::nullopt;
    if (!at) fields.refuse(given, std::string(time_rule));
    return at;
}

std::optional<error_category> parse_category(std::string_view text)
{
    if (text == "TRANSIENT") return error_category::transient;
    if (text == "PERMANENT") return error_category::permanent;
    if (text == "TIMEOUT") return error_category::timeout;
    if (text == "RESOURCE_EXHAUSTED") return error_category::resource_exhausted;
    return std::nullopt;
}

}

storage::dead_letter_filter read_dead_letter_filter(query_reader& query)
{
    storage::dead_letter_filter filter;
    filter.what = read_what(query);
    if (const auto status = query.text("status")) {
        filter.status = storage::parse_dead_letter_status(*status);
        if (!filter.status) query.refuse("status", *status, "must be OPEN or RETRIED");
    }
    return filter;
}

storage::error_filter read_error_filter(query_reader& query)
{
    storage::error_filter filter;
    filter.what = read_what(query);
    if (const auto queue = query.text("queue")) {
        filter.queue = storage::parse_error_queue(*queue);
        if (!filter.queue) query.refuse("queue", *queue, "must be scheduling_errors, dependency_errors or execution_errors; dead letters are at /v1/dead-letters");
    }
    if (const auto category = query.text("error_category")) {
        filter.category = parse_category(*category);
        if (!filter.category) query.refuse("error_category", *category, "must be TRANSIENT, PERMANENT, TIMEOUT or RESOURCE_EXHAUSTED");
    }
    return filter;
}

storage::dead_letter_filter read_dead_letter_filter(json_fields& fields)
{
    storage::dead_letter_filter filter;
    filter.what.job_id = fields.slug("job_id").value_or("");
    filter.what.error_code = fields.text("error_code", {1, 256}).value_or("");
    filter.what.since = read_time(fields, "since");
    filter.what.until = read_time(fields, "until");
    const auto ids = fields.texts("ids", {1, static_cast<std::size_t>(most_in_a_request), {1, uuid_length}});
    for (std::size_t i = 0; i < ids.size(); ++i) {
        if (const auto id = execution_id::parse(ids[i])) {
            filter.ids.push_back(*id);
        } else {
            const boost::json::value shown(boost::json::string_view(ids[i].data(), ids[i].size()));
            fields.errors().add(path_of(fields.path_of_member("ids"), i), &shown, "must be a UUID");
        }
    }
    return filter;
}

int purge_limit(query_reader& query)
{
    return static_cast<int>(query.integer("limit", 1, most_in_a_request).value_or(most_in_a_request));
}

void refuse_to_purge_all(query_reader& query, bool filter_is_empty)
{
    const bool all = query.flag("all");
    if (filter_is_empty && !all) query.refuse("all", "false", "must be true to purge everything; or name what to purge with a filter");
}

}
