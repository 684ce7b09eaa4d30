#include "ops/cli/apply.hpp"

#include "ops/cli/human_text.hpp"
#include "ops/cli/json_read.hpp"
#include "storage/model/json_text.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <charconv>
#include <fmt/format.h>
#include <optional>

namespace rowlock::ops {

namespace json = boost::json;

std::string_view to_string(apply_outcome outcome)
{
    switch (outcome) {
    case apply_outcome::created: return "created";
    case apply_outcome::updated: return "updated";
    case apply_outcome::unchanged: return "unchanged";
    }
    return "";
}

namespace {

std::optional<apply_outcome> parse_outcome(std::string_view text)
{
    for (const auto outcome : {apply_outcome::created, apply_outcome::updated, apply_outcome::unchanged}) {
        if (text == to_string(outcome)) return outcome;
    }
    return std::nullopt;
}

// A field of the request, as in jobs[3].handler.type, as one of the definition that it is in. nullopt: it is in none.
struct placed_field {
    std::size_t definition;
    std::string field;
};

std::optional<placed_field> placed(std::string_view field, std::string_view list)
{
    if (!field.starts_with(list)) return std::nullopt;
    field.remove_prefix(list.size());
    if (!field.starts_with('[')) return std::nullopt;
    std::size_t index = 0;
    const char* const end = field.data() + field.size();
    const auto [at, ec] = std::from_chars(field.data() + 1, end, index);
    if (ec != std::errc() || at == end || *at != ']') return std::nullopt;
    std::string_view rest(at + 1, static_cast<std::size_t>(end - at - 1));
    if (rest.starts_with('.')) rest.remove_prefix(1);
    return placed_field{index, std::string(rest)};
}

void complain(context& c, const definition_kind& kind, const std::vector<definition>& all, const refusal& why)
{
    for (const field_error& field : why.fields) {
        const auto place = placed(field.field, kind.list);
        if (!place || place->definition >= all.size()) c.screen.complaint(field_line(field));
        else c.screen.complaint(all[place->definition].complaint({place->field, field.value, field.message}));
    }
}

}

outcome_of<std::vector<applied>> apply_definitions(context& c, const definition_kind& kind, const std::vector<definition>& all, const std::string& reason, bool dry_run)
{
    json::array bodies;
    for (const definition& one : all) bodies.push_back(one.body);
    json::object request{{kind.list, std::move(bodies)}};
    if (!reason.empty()) request["reason"] = reason;
    if (dry_run) request["dry_run"] = true;
    const auto reply = c.api().post(target(kind.collection).segment("apply"), request);
    if (!reply) return reply.error();
    const json::array* items = array_at(reply->body, kind.list);
    if (!items || items->size() != all.size()) return odd_reply(fmt::format("so many definitions were sent, and another number of {} came back", kind.list));
    std::vector<applied> made;
    for (std::size_t i = 0; i < items->size(); ++i) {
        const json::value& item = (*items)[i];
        const auto outcome = parse_outcome(text_at(item, "outcome"));
        const json::array* diff = array_at(item, "diff");
        const json::array* warnings = array_at(item, "warnings");
        if (!outcome || text_at(item, kind.id) != all[i].id) return odd_reply(fmt::format("it is not clear what has become of {}", all[i].id));
        made.push_back({all[i].file, all[i].id, *outcome, static_cast<int>(number_at(item, "version").value_or(0)), diff ? *diff : json::array(),
                        warnings ? json::value(*warnings) : json::value()});
    }
    return made;
}

outcome_of<applied> apply_definition(context& c, const definition_kind& kind, const definition& one, const std::string& reason)
{
    auto all = apply_definitions(c, kind, {one}, reason, false);
    if (!all) return all.error();
    return std::move(all->front());
}

exit_code fail_at(context& c, const definition_kind& kind, const std::vector<definition>& all, refusal why)
{
    if (why.fields.empty()) return c.fail(why);
    complain(c, kind, all, why);
    return why.code;
}

exit_code fail_at(context& c, const definition_kind& kind, const definition& one, refusal why)
{
    complain(c, kind, {one}, why);
    why.fields.clear();
    return c.fail(why);
}

exit_code fail_with_all(context& c, const definition_kind& kind, const std::vector<definition>& all, const std::vector<std::string>& complaints)
{
    for (const std::string& complaint : complaints) c.screen.complaint(complaint);
    // Everything that is wrong is told at once, also what only the server knows; if it cannot be asked, that is not the point now.
    if (!all.empty()) {
        const auto would = apply_definitions(c, kind, all, "", true);
        if (!would) complain(c, kind, all, would.error());
    }
    c.screen.notice("Nothing was applied.");
    return exit_code::configuration;
}

json::value document_of(const definition_kind& kind, const std::vector<applied>& all)
{
    json::array items;
    for (const applied& one : all) {
        json::object item{{"file", one.file}, {kind.id, one.id}, {"outcome", to_string(one.outcome)}, {"version", one.version}, {"diff", one.diff}};
        if (!one.warnings.is_null()) item["warnings"] = one.warnings;
        items.push_back(std::move(item));
    }
    return json::object{{"items", std::move(items)}, {"next_cursor", nullptr}};
}

void show_warnings(context& c, const std::vector<applied>& all)
{
    for (const applied& one : all) {
        if (!one.warnings.is_array()) continue;
        for (const json::value& warning : one.warnings.get_array()) c.screen.notice(fmt::format("{}: warning: {}: {}", one.file, one.id, text_at(warning, "")));
    }
}

void show_diff(context& c, const json::value& diff)
{
    if (!diff.is_array()) return;
    for (const json::value& one : diff.get_array()) {
        const json::value* before = member_at(one, "before");
        const json::value* after = member_at(one, "after");
        const bool had = before && !before->is_null();
        const bool has = after && !after->is_null();
        const std::string was = had ? to_text(*before) : std::string();
        const std::string is = has ? to_text(*after) : std::string();
        c.screen.line(fmt::format("  {} {}: {}{}{}", had && has ? '~' : has ? '+' : '-', text_at(one, "field"), was, had && has ? " -> " : "", is));
    }
}

std::shared_ptr<apply_options> add_apply_options(CLI::App& verb)
{
    const auto options = std::make_shared<apply_options>();
    verb.add_option("FILE", options->files, "YAML files, folders of them, or - for stdin; a file may hold several documents, parted by ---")->required();
    verb.add_flag("--dry-run", options->dry_run, "Check, and say what would change, but change nothing");
    verb.add_option("--reason", options->reason, "Why; kept with each version that it makes");
    return options;
}

exit_code apply_and_show(context& c, const definition_kind& kind, const std::vector<definition>& all, const apply_options& options)
{
    const auto made = apply_definitions(c, kind, all, options.reason, options.dry_run);
    if (!made) {
        const bool of_a_file = !made.error().fields.empty();
        const exit_code code = fail_at(c, kind, all, made.error());
        if (of_a_file) c.screen.notice("Nothing was applied.");
        return code;
    }
    show_warnings(c, *made);
    if (!c.screen.human()) {
        c.screen.document(document_of(kind, *made));
        return exit_code::success;
    }
    for (const applied& one : *made) {
        const std::string_view would = !options.dry_run || one.outcome == apply_outcome::unchanged ? "" : "would be ";
        c.screen.line(fmt::format("{} {}{}, version {}", one.id, would, to_string(one.outcome), one.version));
        if (options.dry_run && one.outcome == apply_outcome::updated) show_diff(c, one.diff);
    }
    return exit_code::success;
}

}
