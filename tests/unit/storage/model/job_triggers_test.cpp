#include "tests/unit/storage/model/definition_text.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

using namespace rowlock;
using namespace std::chrono_literals;

namespace {

std::string triggered_by(std::string_view triggers)
{
    return noop_with("\"triggers\":[" + std::string(triggers) + "]");
}

}

TEST_CASE("a trigger needs no more than its type and the source of its events", "[unit][definition][triggers]")
{
    const auto d = good(triggered_by(R"({"trigger_type":"DATA_ARRIVAL","source":"orders"},{"trigger_type":"API_CALL","source":"orders"})"));
    REQUIRE(d.triggers.size() == 2);
    const auto& one = d.triggers.front();
    CHECK(one.trigger_id == "j-1");
    CHECK(one.kind == trigger_kind::data_arrival);
    CHECK(one.source == "orders");
    CHECK(one.filter.empty());
    CHECK(one.batch_window == 0ms);
    CHECK(one.debounce == 0ms);
    CHECK_FALSE(one.enabled);
    CHECK(d.triggers[1].trigger_id == "j-2");
    // What is a default stays one.
    CHECK(kept(d, "triggers") == R"([{"trigger_type":"DATA_ARRIVAL","source":"orders"},{"trigger_type":"API_CALL","source":"orders"}])");
}

TEST_CASE("a trigger says which events it takes, and whether one or many make an execution", "[unit][definition][triggers]")
{
    const auto d = good(triggered_by(R"({"trigger_id":"mine","trigger_type":"API_CALL","source":"s","filter":"$.n > 1","batch_window_seconds":2.5,"debounce_seconds":10,"enabled":false})"));
    const auto& one = d.triggers.front();
    CHECK(one.trigger_id == "mine");
    CHECK(one.filter == "$.n > 1");
    CHECK(one.batch_window == 2500ms);
    CHECK(one.debounce == 10s);
    CHECK(one.enabled == false);
    REQUIRE(d.paths.size() == 1);
    CHECK(d.paths[0].field == "triggers[0].filter");
    CHECK(d.paths[0].path == "$.n > 1");
}

TEST_CASE("the secret of a webhook is read, and never kept in the definition", "[unit][definition][triggers]")
{
    const auto d = good(triggered_by(R"({"trigger_type":"WEBHOOK","secret":"s3cret","source":"github"},{"trigger_type":"WEBHOOK","secret_env":"HOOK_SECRET"})"));
    CHECK(d.triggers[0].secret == "s3cret");
    CHECK(d.triggers[0].source == "github");
    CHECK(d.triggers[1].secret_env == "HOOK_SECRET");
    CHECK(d.triggers[1].source == "j-2");
    CHECK(kept(d, "triggers") == R"([{"trigger_type":"WEBHOOK","source":"github"},{"trigger_type":"WEBHOOK","secret_env":"HOOK_SECRET"}])");
    // As it is stored it can be read again.
    CHECK(good(triggered_by(R"({"trigger_type":"WEBHOOK","source":"github"})")).triggers[0].secret.empty());
}

TEST_CASE("a message trigger may read a table or hear a channel of a named connection", "[unit][definition][triggers]")
{
    const auto d = good(triggered_by(R"({"trigger_type":"MESSAGE","table":{"connection":"shop","name":"sales.outbox"}},
        {"trigger_type":"MESSAGE","source":"s","table":{"connection":"shop","name":"outbox","id_column":"seq","transaction_column":"xid"}},
        {"trigger_type":"MESSAGE","channel":{"connection":"shop","name":"orders"}},{"trigger_type":"MESSAGE","source":"emitted"})"));
    CHECK(d.triggers[0].source == "j-1");
    CHECK(d.triggers[0].table->name == "sales.outbox");
    CHECK(d.triggers[0].table->id_column == "id");
    CHECK(d.triggers[0].table->transaction_column == "tx");
    CHECK(d.triggers[1].table->id_column == "seq");
    CHECK(d.triggers[1].table->transaction_column == "xid");
    CHECK(d.triggers[2].channel->connection == "shop");
    CHECK(d.triggers[2].channel->name == "orders");
    CHECK_FALSE(d.triggers[3].table);
    CHECK_FALSE(d.triggers[3].channel);
}

TEST_CASE("what is wrong with triggers is said by field, all at once", "[unit][definition][triggers]")
{
    struct row {
        const char* triggers;
        names fields;
    };
    const auto r = GENERATE(values<row>({
        {"{}", {"triggers[0].source", "triggers[0].trigger_type"}},
        {R"({"trigger_type":"TIMER","source":"s"})", {"triggers[0].trigger_type"}},
        {R"({"trigger_type":"API_CALL","source":""})", {"triggers[0].source"}},
        {R"({"trigger_type":"API_CALL","source":"s","sauce":1})", {"triggers[0].sauce"}},
        {R"({"trigger_type":"API_CALL","source":"s","trigger_id":"No"})", {"triggers[0].trigger_id"}},
        {R"({"trigger_type":"API_CALL","source":"s","trigger_id":"j-2"},{"trigger_type":"API_CALL","source":"s"})", {"triggers[1].trigger_id"}},
        {R"({"trigger_type":"API_CALL","source":"s","filter":7,"batch_window_seconds":-1,"debounce_seconds":86401})",
         {"triggers[0].batch_window_seconds", "triggers[0].debounce_seconds", "triggers[0].filter"}},
        {R"({"trigger_type":"API_CALL","source":"s","secret":"x"})", {"triggers[0].secret"}},
        {R"({"trigger_type":"API_CALL","source":"s","secret_env":"X"})", {"triggers[0].secret_env"}},
        {R"({"trigger_type":"WEBHOOK","secret":"x","secret_env":"X"})", {"triggers[0].secret_env"}},
        {R"({"trigger_type":"WEBHOOK","secret_env":"1 X"})", {"triggers[0].secret_env"}},
        {R"({"trigger_type":"WEBHOOK","secret":""})", {"triggers[0].secret"}},
        {R"({"trigger_type":"DATA_ARRIVAL","source":"s","table":{"connection":"c","name":"t"}})", {"triggers[0].table"}},
        {R"({"trigger_type":"MESSAGE","table":{"connection":"c","name":"t"},"channel":{"connection":"c","name":"t"}})", {"triggers[0].channel"}},
        {R"({"trigger_type":"MESSAGE","table":{"name":"a\"; drop table x; --"}})", {"triggers[0].table.connection", "triggers[0].table.name"}},
        {R"({"trigger_type":"MESSAGE","table":{"connection":"c","name":"a.b.c","id_column":"1","transaction_column":"a b"}})",
         {"triggers[0].table.id_column", "triggers[0].table.name", "triggers[0].table.transaction_column"}},
        {R"({"trigger_type":"MESSAGE","channel":{"connection":"c","name":"a;b"}})", {"triggers[0].channel.name"}},
        {R"({"trigger_type":"MESSAGE","channel":7})", {"triggers[0].channel", "triggers[0].source"}},
    }));
    INFO(r.triggers);
    CHECK(fields_of(triggered_by(r.triggers)) == r.fields);
}

TEST_CASE("a secret is not repeated in an error", "[unit][definition][triggers]")
{
    for (const auto& wrong : errors_of(triggered_by(R"({"trigger_type":"API_CALL","source":"s","secret":"s3cret"})"))) {
        CHECK(wrong.value.find("s3cret") == std::string::npos);
        CHECK(wrong.message.find("s3cret") == std::string::npos);
    }
}

TEST_CASE("a trigger of a job whose id is too long for a number after it needs an id of its own", "[unit][definition][triggers]")
{
    const std::string id(128, 'j');
    const auto refused = parse(triggered_by(R"({"trigger_type":"API_CALL","source":"s"})"), id);
    REQUIRE(refused.has_error());
    CHECK(refused.error().fields.front().field == "triggers[0].trigger_id");
    CHECK(parse(triggered_by(R"({"trigger_type":"API_CALL","source":"s","trigger_id":"short"})"), id).has_value());
}
