#include "ops/cli/command_words.hpp"

#include <catch2/catch.hpp>

using namespace rowlock::ops;
using words = std::vector<std::string>;

TEST_CASE("a command is words, in which templates are replaced and stay one word", "[unit][cli]")
{
    struct row {
        const char* command;
        words expected;
    };
    const auto& r = GENERATE(values<row>({
        {"dativo run --config {{ config }}", {"dativo", "run", "--config", "/a b/c.yaml"}},
        {"  x\t y  ", {"x", "y"}},
        {"x --config={{config}}!", {"x", "--config=/a b/c.yaml!"}},
        {"x 'a b' \"c 'd'\" e'f'g ''", {"x", "a b", "c 'd'", "efg", ""}},
        {"x '{{ config }}{{ empty }}' {{ empty }}", {"x", "/a b/c.yaml", ""}},
        {"$HOME ; | *", {"$HOME", ";", "|", "*"}},
    }));
    INFO(r.command);
    const auto made = command_words(r.command, {{"config", "/a b/c.yaml"}, {"empty", ""}});
    REQUIRE(made.has_value());
    CHECK(*made == r.expected);
}

TEST_CASE("a command that cannot be meant is refused", "[unit][cli]")
{
    for (const char* command : {"", "   ", "x 'open", "x \"open", "x {{ config", "x {{ other }}", "x {{ }}"}) {
        INFO(command);
        const auto made = command_words(command, {{"config", "c"}});
        REQUIRE_FALSE(made.has_value());
        CHECK(made.error().code == exit_code::configuration);
    }
}
