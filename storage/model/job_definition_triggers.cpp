#include "storage/model/job_definition_parts.hpp"

#include <algorithm>
#include <boost/json/string.hpp>
#include <fmt/format.h>

namespace rowlock::definition {

namespace json = boost::json;

namespace {

constexpr std::size_t most_triggers = 100;
constexpr text_bounds source_bounds{1, 256};
constexpr text_bounds path_bounds{1, 4096};          // of a SQL/JSON path
constexpr text_bounds secret_bounds{1, 1024};
constexpr std::size_t longest_identifier = 63;       // PostgreSQL cuts what is longer, and would mean something else
constexpr milliseconds longest_window = std::chrono::hours{24};

constexpr bool begins_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

constexpr bool goes_on_in_name(char c)
{
    return begins_name(c) || (c >= '0' && c <= '9') || c == '$';
}

bool is_identifier(std::string_view text)
{
    return !text.empty() && text.size() <= longest_identifier && begins_name(text.front()) && std::all_of(text.begin() + 1, text.end(), goes_on_in_name);
}

bool is_variable_name(std::string_view text)
{
    return begins_name(text.front()) && text.find('$') == std::string_view::npos && std::all_of(text.begin() + 1, text.end(), goes_on_in_name);
}

// The name of a table with or without its schema.
bool is_table_name(std::string_view text)
{
    const auto dot = text.find('.');
    return dot == std::string_view::npos ? is_identifier(text) : is_identifier(text.substr(0, dot)) && is_identifier(text.substr(dot + 1));
}

void read_column(json_fields& fields, std::string_view name, std::string& column)
{
    constexpr text_bounds bounds{1, longest_identifier};
    auto given = fields.text(name, bounds);
    if (!given) return;
    if (is_identifier(*given)) column = std::move(*given);
    else fields.refuse(fields.find(name), "must be the name of a column: letters, digits and '_', not beginning with a digit");
}

void read_connection(json_fields& fields, std::string& connection)
{
    if (!fields.has("connection")) fields.require("connection");
    connection = fields.slug("connection").value_or("");
}

void read_table(json_fields& trigger, job_trigger& made)
{
    trigger.object("table", [&made](json_fields& fields) {
        message_table table;
        read_connection(fields, table.connection);
        if (!fields.has("name")) fields.require("name");
        if (auto name = fields.text("name", {1, 2 * longest_identifier + 1})) {
            if (is_table_name(*name)) table.name = std::move(*name);
            else fields.refuse(fields.find("name"), "must be the name of a table, with or without its schema: letters, digits and '_', as in outbox or sales.outbox");
        }
        read_column(fields, "id_column", table.id_column);
        read_column(fields, "transaction_column", table.transaction_column);
        made.table = std::move(table);
    });
}

void read_channel(json_fields& trigger, job_trigger& made)
{
    trigger.object("channel", [&made](json_fields& fields) {
        message_channel channel;
        read_connection(fields, channel.connection);
        if (!fields.has("name")) fields.require("name");
        if (auto name = fields.text("name", {1, longest_identifier})) {
            if (is_identifier(*name)) channel.name = std::move(*name);
            else fields.refuse(fields.find("name"), "must be the name of a channel: letters, digits and '_', not beginning with a digit");
        }
        made.channel = std::move(channel);
    });
}

// Where a message trigger reads, and no other.
void read_messages(json_fields& fields, job_trigger& made)
{
    const auto table = fields.find("table");
    const auto channel = fields.find("channel");
    read_table(fields, made);
    read_channel(fields, made);
    constexpr std::string_view only_messages = "is for triggers of the type MESSAGE alone; leave it out, or make that the trigger_type";
    if (made.kind != trigger_kind::message) {
        if (table) fields.refuse(table, std::string(only_messages));
        if (channel) fields.refuse(channel, std::string(only_messages));
    } else if (table && channel) {
        fields.refuse(channel, "cannot stand beside table: a trigger reads one of them; make two triggers");
    }
}

// What a webhook is signed with. It is not kept in the definition, which is shown.
void read_secret(json_fields& fields, job_trigger& made)
{
    const auto secret = fields.find("secret");
    const auto variable = fields.find("secret_env");
    if (secret) {
        const auto* text = secret.value->if_string();
        if (text && refusal_of({text->data(), text->size()}, secret_bounds).empty()) made.secret = *text;
        // The text of a secret is not repeated in an error.
        else fields.errors().add(fields.path_of_member("secret"), nullptr, fmt::format("must be a text of {} to {} characters", secret_bounds.least, secret_bounds.most));
    }
    if (auto name = fields.text("secret_env", {1, 128})) {
        if (is_variable_name(*name)) made.secret_env = std::move(*name);
        else fields.refuse(variable, "must be the name of an environment variable: letters, digits and '_', not beginning with a digit");
    }
    if (made.kind != trigger_kind::webhook) {
        if (secret) fields.errors().add(fields.path_of_member("secret"), nullptr, "is for triggers of the type WEBHOOK alone; leave it out");
        if (variable) fields.refuse(variable, "is for triggers of the type WEBHOOK alone; leave it out");
    } else if (secret && variable) {
        fields.refuse(variable, "cannot stand beside secret: give one of them");
    }
}

// After the type. Whether somebody else has the id only the database knows.
void read_trigger_id(json_fields& fields, const job_definition& made, std::size_t number, job_trigger& trigger)
{
    const bool given = fields.has("trigger_id");
    trigger.trigger_id = fields.slug("trigger_id").value_or(fmt::format("{}-{}", made.job_id, number));
    if (!given && !made.job_id.empty() && !is_slug(trigger.trigger_id)) {
        fields.errors().add(fields.path_of_member("trigger_id"), nullptr, "is required here: the job_id with a number after it would be too long");
    }
    const bool again = std::any_of(made.triggers.begin(), made.triggers.end(), [&trigger](const job_trigger& other) { return other.trigger_id == trigger.trigger_id; });
    if (!again) return;
    const json::value shown = json::string(trigger.trigger_id);
    fields.errors().add(fields.path_of_member("trigger_id"), &shown, "is the id of another trigger of this job; each needs one of its own");
}

void read_source(json_fields& fields, job_trigger& trigger)
{
    const bool has_own = trigger.kind == trigger_kind::webhook || trigger.table || trigger.channel;
    if (!fields.has("source") && !has_own) fields.require("source");
    trigger.source = fields.text("source", source_bounds).value_or(has_own ? trigger.trigger_id : "");
}

job_trigger read_trigger(json_fields& fields, job_definition& made, std::size_t number)
{
    job_trigger trigger;
    if (!fields.has("trigger_type")) fields.require("trigger_type");
    if (const auto type = fields.choice("trigger_type", trigger_kind_names)) trigger.kind = trigger_kind_of(*type);
    read_trigger_id(fields, made, number, trigger);
    read_messages(fields, trigger);
    read_source(fields, trigger);
    if (auto filter = fields.text("filter", path_bounds)) {
        // Whether it is a SQL/JSON path the database says, where the definition is put.
        made.paths.push_back({fields.path_of_member("filter"), *filter});
        trigger.filter = std::move(*filter);
    }
    trigger.batch_window = fields.seconds("batch_window_seconds", milliseconds{0}, longest_window).value_or(milliseconds{0});
    trigger.debounce = fields.seconds("debounce_seconds", milliseconds{0}, longest_window).value_or(milliseconds{0});
    trigger.enabled = fields.boolean("enabled");
    read_secret(fields, trigger);
    return trigger;
}

}

void read_triggers(json_fields& definition, job_definition& made)
{
    std::size_t number = 0;
    definition.objects("triggers", most_triggers, [&](json_fields& fields) { made.triggers.push_back(read_trigger(fields, made, ++number)); });
}

}
