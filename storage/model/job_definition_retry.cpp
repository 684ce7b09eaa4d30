#include "storage/model/failure_pattern.hpp"
#include "storage/model/job_definition_parts.hpp"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/string.hpp>
#include <fmt/format.h>

namespace rowlock::definition {

namespace json = boost::json;

namespace {

constexpr std::array<std::string_view, 4> jitter_modes{"NONE", "FULL", "EQUAL", "PLUS_MINUS"};
constexpr std::array<std::string_view, 3> categories{"TRANSIENT", "PERMANENT", "TIMEOUT"};
constexpr int most_attempts = 1000;
constexpr std::size_t most_overrides = 32;
constexpr text_bounds code_bounds{1, 128};
constexpr list_bounds code_lists{0, 100, code_bounds};

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

// The waits between attempts, of a policy or of one of its overrides. What is left out stays as it is.
struct delays {
    std::optional<milliseconds> initial;
    std::optional<milliseconds> most;
    std::optional<double> multiplier;
    std::optional<double> jitter_factor;
    std::optional<jitter_mode> jitter;
};

delays read_delays(json_fields& fields)
{
    delays d;
    d.initial = fields.seconds("initial_delay_seconds", milliseconds{0}, longest_duration, "initial_delay");
    d.most = fields.seconds("max_delay_seconds", milliseconds{0}, longest_duration, "max_delay");
    if (d.initial && d.most && *d.most < *d.initial) fields.refuse(fields.find("max_delay_seconds", "max_delay"), "must not be less than initial_delay_seconds");
    d.multiplier = fields.number("backoff_multiplier", 1, 100, "multiplier");
    d.jitter_factor = fields.number("jitter_factor", 0, 1);
    if (const auto mode = fields.choice("jitter_mode", jitter_modes)) d.jitter = to_jitter_mode(*mode);
    return d;
}

void use_delays(const delays& d, retry_policy& policy)
{
    // Who asks for a longer first delay than the default cap, and says nothing of the cap, means the delay.
    policy.max_delay = d.most.value_or(d.initial ? std::max(policy.max_delay, *d.initial) : policy.max_delay);
    policy.initial_delay = d.initial.value_or(policy.initial_delay);
    policy.backoff_multiplier = d.multiplier.value_or(policy.backoff_multiplier);
    policy.jitter_factor = d.jitter_factor.value_or(policy.jitter_factor);
    policy.jitter = d.jitter.value_or(policy.jitter);
}

std::vector<std::string> read_patterns(json_fields& fields, std::string_view name)
{
    auto patterns = fields.texts(name, {0, 100, {1, 1000}});
    const auto given = fields.find(name);
    const auto* list = given ? given.value->if_array() : nullptr;
    if (!list || list->size() != patterns.size()) return patterns;      // refused already
    for (std::size_t i = 0; i < list->size(); ++i) {
        const re2::RE2 pattern(patterns[i], failure_pattern_options());
        if (!pattern.ok()) fields.errors().add(path_of(fields.path_of_member(name), i), &(*list)[i],
                                               fmt::format("is not a regular expression in RE2's syntax: {}", pattern.error()));
    }
    return patterns;
}

std::vector<error_category> read_categories(json_fields& fields)
{
    std::vector<error_category> all;
    for (const auto& name : fields.choices("categories", categories)) {
        all.push_back(static_cast<error_category>(std::find(categories.begin(), categories.end(), name) - categories.begin() + 1));
    }
    return all;
}
static_assert(static_cast<int>(error_category::transient) == 1 && static_cast<int>(error_category::permanent) == 2 && static_cast<int>(error_category::timeout) == 3);

// What becomes of a lost attempt is decided where nobody is left who ran it, by max_attempts and non_retryable_errors alone.
void refuse_lost(json_fields& fields, const std::vector<std::string>& codes)
{
    if (std::find(codes.begin(), codes.end(), "LEASE_LOST") == codes.end()) return;
    fields.refuse(fields.find("error_codes"), "must not name LEASE_LOST: lost attempts are repeated at once within the policy's max_attempts; "
                                              "name it in non_retryable_errors where they must not be");
}

// Whether something could match. What is refused in it counts as something, so that one mistake gives one error.
bool reads_a_match(json_fields& fields, retry_policy::override_rule& rule)
{
    rule.error_codes = fields.texts("error_codes", code_lists);
    refuse_lost(fields, rule.error_codes);
    rule.exit_codes = fields.integers("exit_codes", 256, 0, 255);
    rule.patterns = read_patterns(fields, "patterns");
    rule.categories = read_categories(fields);
    for (const std::string_view name : {"error_codes", "exit_codes", "patterns", "categories"}) {
        const auto f = fields.find(name);
        const auto* list = f ? f.value->if_array() : nullptr;
        if (f && !(list && list->empty())) return true;
    }
    return false;
}

retry_policy::override_rule read_override(json_fields& fields)
{
    retry_policy::override_rule rule;
    if (!fields.has("match")) fields.require("match");
    bool matches = true;
    fields.object("match", [&](json_fields& members) { matches = reads_a_match(members, rule); });
    if (!matches) fields.refuse(fields.find("match"), "must name at least one of error_codes, exit_codes, patterns, categories");
    if (const auto n = fields.integer("max_attempts", 1, most_attempts)) rule.max_attempts = static_cast<int>(*n);
    const auto d = read_delays(fields);
    constexpr std::array<std::string_view, 9> otherwise{"max_attempts", "initial_delay_seconds", "initial_delay", "max_delay_seconds", "max_delay",
                                                        "backoff_multiplier", "multiplier", "jitter_factor", "jitter_mode"};
    const bool says_something = std::any_of(otherwise.begin(), otherwise.end(), [&fields](std::string_view name) { return fields.has(name); });
    if (!says_something) fields.errors().add(fields.path(), nullptr, "must say what is otherwise where it matches: max_attempts, initial_delay_seconds, max_delay_seconds, ...");
    rule.initial_delay = d.initial;
    rule.max_delay = d.most;
    rule.backoff_multiplier = d.multiplier;
    rule.jitter_factor = d.jitter_factor;
    rule.jitter = d.jitter;
    return rule;
}

}

retry_policy read_retry_policy(json_fields& definition, const retry_policy& defaults)
{
    retry_policy policy = defaults;
    definition.object(
        "retry_policy",
        [&policy](json_fields& fields) {
            read_attempts(fields, policy);
            use_delays(read_delays(fields), policy);
            policy.retryable_errors = fields.texts("retryable_errors", code_lists, "retryable_codes");
            policy.non_retryable_errors = fields.texts("non_retryable_errors", code_lists, "non_retryable_codes");
            policy.retryable_exit_codes = fields.integers("retryable_exit_codes", 256, 0, 255);
            policy.retryable_error_patterns = read_patterns(fields, "retryable_error_patterns");
            fields.objects("overrides", most_overrides, [&policy](json_fields& rule) { policy.overrides.push_back(read_override(rule)); });
        },
        "retry_config");
    return policy;
}

}
