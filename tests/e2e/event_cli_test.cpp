#include "tests/support/triggers.hpp"

#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>

using namespace rowlock::test;
namespace json = boost::json;

namespace {

ended_program cli(std::vector<std::string> arguments)
{
    return run_rowlock(std::move(arguments), {{"ROWLOCK_URL", open_server().url()}});
}

json::value json_of(std::vector<std::string> arguments)
{
    arguments.insert(arguments.end(), {"--format", "json"});
    const auto ran = cli(std::move(arguments));
    INFO(ran.out << ran.err);
    REQUIRE(ran.code == 0);
    return json::parse(ran.out);
}

}

TEST_CASE("event emit prints the id, and says what it activates", "[e2e][cli][events]")
{
    define_triggered(open_server(), "ev-cli", {{{"source", "ev-cli"}}, {{"source", "ev-cli"}, {"batch_window_seconds", 60}}});
    const auto ran = cli({"event", "emit", "ev-cli", "-p", "amount=50", "-p", "name=x", "--key", "k"});
    INFO(ran.out << ran.err);
    REQUIRE(ran.code == 0);
    const auto id = ran.out.substr(0, ran.out.find('\n'));
    CHECK(id.size() == 36);
    CHECK(ran.err.find("it activates ev-cli-1, ev-cli-2") != std::string::npos);
    CHECK(ran.err.find("it waits for ev-cli-2") != std::string::npos);
    CHECK(text_at(json_of({"event", "emit", "--source", "ev-cli", "--key", "k"}), "/event_id") == id);
    CHECK(json_of({"event", "show", id}).at("payload") == json::value{{"amount", 50}, {"name", "x"}});
    CHECK(json_of({"event", "list", "--source", "ev-cli", "--key", "k"}).at("items").as_array().size() == 1);
    CHECK(json_of({"event", "emit", "ev-cli", "--payload", "[1, 2]"}).at("duplicate") == false);
    const auto shown = cli({"event", "show", id});
    CHECK(shown.out.find("ACTIVATED") != std::string::npos);
    CHECK(cli({"event", "list"}).out.find("ev-cli") != std::string::npos);
}

TEST_CASE("event emit refuses what is no event", "[e2e][cli][events]")
{
    CHECK(cli({"event", "emit"}).code == 2);
    CHECK(cli({"event", "emit", "a", "--source", "b"}).code == 2);
    CHECK(cli({"event", "emit", "a", "--payload", "{"}).code == 2);
    CHECK(cli({"event", "emit", std::string(257, 'x')}).code == 2);
    CHECK(cli({"event", "show", "0190b5a4-2f3c-7d1e-8a77-b16f3a3f9f10"}).code == 3);
}

TEST_CASE("trigger list, show, activations, disable and enable", "[e2e][cli][events]")
{
    auto& server = open_server();
    define_triggered(server, "tr-cli", {{{"source", "tr-cli"}}});
    CHECK(cli({"trigger", "list", "--job", "tr-cli"}).out.find("tr-cli-1") != std::string::npos);
    CHECK(json_of({"trigger", "show", "tr-cli-1"}).at("source") == "tr-cli");
    const auto off = cli({"trigger", "disable", "tr-cli-1", "--reason", "quiet"});
    CHECK(off.out == "tr-cli-1 is disabled\n");
    emit(server, "tr-cli", {});
    CHECK(cli({"trigger", "activations", "tr-cli-1"}).out.find("TRIGGER_DISABLED") != std::string::npos);
    CHECK(json_of({"trigger", "enable", "tr-cli-1"}).at("enabled") == true);
    CHECK(cli({"trigger", "show", "nobody"}).code == 3);
}
