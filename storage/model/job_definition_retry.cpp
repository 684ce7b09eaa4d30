#include "storage/model/job_definition_parts.hpp"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <fmt/format.h>
#include <re2/re2.h>

namespace rowlock::definition {

namespace json = boost::json;

namespace {

constexpr std::array<std::string_view, 4> jitter_modes{"NONE", "FULL", "EQUAL", "PLUS_MINUS"};
constexpr int most_attempts = 1000;
constexpr text_bounds code_bounds{1, 128};

jitter_mode to_jitter_mode(std::string_view name)
{
    return static_cast<jitter_mode>(std::find(jitter_modes.begin(), jitter_modes.end(), name) - jitter_modes.begin());
}
static_assert(static_cast<int>(jitter_mode::none) == 0 && static_cast<int>(jitter_mode::full) == 1 && static_cast<int>(jitter_mode::equal) == 2
              && static_cast<int>(jitter_mode::plus_minus) == 3);

// `max_retries` counts the attempts after the first, and is kept as max_attempts. With include_initial false max_attempts counts so too.
void read_attempts(json_fields& fields, retry_policy& policy)
{
    const bool has_attempts = fields.has("max_attempts");
    const auto attempts = fields.integer("max_attempts", 1, most_attempts);
    const auto include_initial = fields.boolean("include_initial");
    if (attempts) policy.max_attempts = static_cast<int>(*attempts) + (include_initial.value_or(true) ? 0 : 1);

    const auto given = fields.find("max_retries");
    const auto retries = fields.integer("max_retries", 0, most_attempts - 1);
    fields.accepted().stable_erase("max_retries");
    if (!retries) return;
    const int total = static_cast<int>(*retries) + 1;
    if (has_attempts) {
        if (attempts && policy.max_attempts != total) fields.refuse(given, "counts other attempts than max_attempts, which is given too; give one of them");
        return;
    }
    policy.max_attempts = total;
    fields.accepted().stable_erase("include_initial");
    fields.accept("max_attempts", total);
}

void read_delays(json_fields& fields, retry_policy& policy)
{
    const auto initial = fields.seconds("initial_delay_seconds", milliseconds{0}, longest_duration, "initial_delay");
    const auto most = fields.seconds("max_delay_seconds", milliseconds{0}, longest_duration, "max_delay");
    if (initial) policy.initial_delay = *initial;
    // Who asks for a longer first delay than the default cap, and says nothing of the cap, means the delay.
    policy.max_delay = most.value_or(initial ? std::max(policy.max_delay, *initial) : policy.max_delay);
    if (initial && most && *most < *initial) fields.refuse(fields.find("max_delay_seconds", "max_delay"), "must not be less than initial_delay_seconds");
    if (const auto m = fields.number("backoff_multiplier", 1, 100, "multiplier")) policy.backoff_multiplier = *m;
    if (const auto j = fields.number("jitter_factor", 0, 1)) policy.jitter_factor = *j;
    if (const auto mode = fields.choice("jitter_mode", jitter_modes)) policy.jitter = to_jitter_mode(*mode);
}

void read_patterns(json_fields& fields, retry_policy& policy)
{
    constexpr std::string_view name = "retryable_error_patterns";
    policy.retryable_error_patterns = fields.texts(name, {0, 100, {1, 1000}});
    const auto given = fields.find(name);
    const auto* list = given ? given.value->if_array() : nullptr;
    if (!list || list->size() != policy.retryable_error_patterns.size()) return;      // refused already
    re2::RE2::Options options;
    options.set_log_errors(false);
    for (std::size_t i = 0; i < list->size(); ++i) {
        const re2::RE2 pattern(policy.retryable_error_patterns[i], options);
        if (!pattern.ok()) fields.errors().add(fmt::format("{}[{}]", fields.path_of_member(name), i), &(*list)[i],
                                               fmt::format("is not a regular expression in RE2's syntax: {}", pattern.error()));
    }
}

}

retry_policy read_retry_policy(json_fields& definition, const retry_policy& defaults)
{
    retry_policy policy = defaults;
    definition.object(
        "retry_policy",
        [&policy](json_fields& fields) {
            read_attempts(fields, policy);
            read_delays(fields, policy);
            policy.retryable_errors = fields.texts("retryable_errors", {0, 100, code_bounds}, "retryable_codes");
            policy.non_retryable_errors = fields.texts("non_retryable_errors", {0, 100, code_bounds}, "non_retryable_codes");
            policy.retryable_exit_codes = fields.integers("retryable_exit_codes", 256, 0, 255);
            read_patterns(fields, policy);
            refuse_later_fields(fields, "retry_policy");
        },
        "retry_config");
    return policy;
}

}
