#include "storage/message_store.hpp"

#include "storage/array.hpp"
#include "storage/connection_defaults.hpp"
#include "storage/model/json_text.hpp"
#include "storage/optional_text.hpp"

#include <boost/json/object.hpp>
#include <fmt/format.h>
#include <limits>
#include <stdexcept>

namespace rowlock::storage {

namespace {

namespace json = boost::json;

std::string text_in(const json::object& from, std::string_view name)
{
    const auto* text = from.if_contains(name) ? from.at(name).if_string() : nullptr;
    return text ? std::string(*text) : std::string();
}

// What put() has stored of the trigger.
void read_spec(std::string_view spec, message_source& source)
{
    const auto parsed = parse_json(spec);
    if (!parsed || !parsed->is_object()) throw std::runtime_error(fmt::format("what the trigger {} reads is no JSON object", source.trigger_id));
    const auto& given = parsed->get_object();
    if (const auto* table = given.if_contains("table")) {
        const auto& t = table->as_object();
        source.table = message_table{text_in(t, "connection"), text_in(t, "name"), text_in(t, "id_column"), text_in(t, "transaction_column")};
    }
    if (const auto* channel = given.if_contains("channel")) {
        const auto& c = channel->as_object();
        source.channel = message_channel{text_in(c, "connection"), text_in(c, "name")};
    }
}

// An identifier of the definition, which has letters, digits, '_' and '$' alone, in quotes; a table's schema by itself.
std::string quoted(std::string_view name)
{
    const auto dot = name.find('.');
    if (dot == std::string_view::npos) return fmt::format("\"{}\"", name);
    return fmt::format("\"{}\".\"{}\"", name.substr(0, dot), name.substr(dot + 1));
}

}

constexpr statement take_message_sources_statement{"take_message_sources", R"sql(
    select trigger_key, tenant_key, source, trigger_id, reads, at_transaction, at_id from take_message_sources_1($1, $2::int8 * interval '1 millisecond', $3))sql"};

std::vector<message_source> take_message_sources(session& s, instance_id reader, std::chrono::milliseconds time, int most)
{
    std::vector<message_source> mine;
    for (const auto& row : s.exec(take_message_sources_statement, reader.value, time.count(), most)) {
        message_source one;
        one.trigger = row[0].as<int>();
        one.tenant = {row[1].as<int>()};
        one.source = row[2].c_str();
        one.trigger_id = row[3].c_str();
        read_spec(row[4].c_str(), one);
        if (!row[5].is_null()) one.place = message_place{row[5].c_str(), row[6].as<std::int64_t>()};
        mine.push_back(std::move(one));
    }
    return mine;
}

std::unique_ptr<pqxx::connection> open_for_reading(const std::string& url)
{
    auto c = std::make_unique<pqxx::connection>(with_connection_defaults(url));
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    c->inhibit_reactivation(true);
#pragma GCC diagnostic pop
    pqxx::nontransaction(*c).exec("set default_transaction_read_only = on; set statement_timeout = '10s'; set timezone = 'UTC'; set datestyle = 'ISO';"
                                  " set application_name = 'rowlock messages'");
    return c;
}

message_rows read_messages(pqxx::connection& c, const message_table& from, const std::optional<message_place>& place, int most)
{
    const auto tx = quoted(from.transaction_column);
    const auto id = quoted(from.id_column);
    const message_place after = place.value_or(message_place{"0", std::numeric_limits<std::int64_t>::min()});
    // By way of jsonb, which refuses U+0000 in a column of the type json: here the trouble is this table's alone.
    // A name cannot be a parameter; the definition took only what needs no escaping in quotes. The others are numbers that we have read ourselves.
    const auto rows = pqxx::nontransaction(c).exec(fmt::format(
        "select t.{0}::text, t.{1}::bigint, to_jsonb(t) from {2} t where (t.{0}, t.{1}::bigint) > ('{3}'::xid8, '{4}'::bigint)"
        " and t.{0} < pg_snapshot_xmin(pg_current_snapshot()) order by t.{0}, t.{1} limit {5}",
        tx, id, quoted(from.name), after.transaction, after.id, most));
    message_rows found;
    constexpr std::size_t most_bytes = 8u << 20;
    std::size_t bytes = 0;
    for (const auto& row : rows) {
        bytes += row[2].size();
        if (!found.payloads.empty() && bytes > most_bytes) break;
        found.payloads.emplace_back(row[2].c_str());
        found.end = {row[0].c_str(), row[1].as<std::int64_t>()};
    }
    return found;
}

constexpr statement take_messages_statement{"take_messages", "select take_messages_1($1, $2::numeric, $3::bigint, $4::numeric, $5::bigint, $6::json[])"};

std::optional<int> take_messages(session& s, const message_source& from, const message_rows& rows)
{
    array payloads(array::element::json);
    for (const auto& payload : rows.payloads) payloads.add(payload);
    const std::string id = from.place ? std::to_string(from.place->id) : std::string();
    const auto made = s.exec(take_messages_statement, from.trigger, from.place ? from.place->transaction.c_str() : nullptr, or_null(id), rows.end.transaction, rows.end.id,
                             payloads.parameter())[0][0];
    if (made.is_null()) return std::nullopt;
    return made.as<int>();
}

constexpr statement note_message_failure_statement{"note_message_failure", "select note_message_failure_1($1, $2)"};

void note_message_failure(session& s, int trigger, const std::string& failure)
{
    s.exec(note_message_failure_statement, trigger, failure);
}

constexpr statement clear_message_failure_statement{"clear_message_failure", "update message_sources set failure = null, failed_at = null where trigger_key = $1 and failure is not null"};

void clear_message_failure(session& s, int trigger)
{
    s.exec(clear_message_failure_statement, trigger);
}

}
