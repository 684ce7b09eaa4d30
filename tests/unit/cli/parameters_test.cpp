#include "ops/cli/base_url.hpp"
#include "ops/cli/definition_file.hpp"
#include "ops/cli/parameters.hpp"
#include "storage/model/json_text.hpp"
#include "tests/unit/cli/cli_run.hpp"

#include <catch2/catch.hpp>

using namespace rowlock::ops;
using namespace rowlock::test;

namespace {

std::string parameters_of(const std::string& whole, const std::vector<std::string>& pairs)
{
    const auto read = read_parameters(whole, pairs);
    return read ? rowlock::to_text(boost::json::value(*read)) : "refused: " + read.error().title;
}

}

TEST_CASE("-p takes JSON where it is JSON and text where it is not", "[unit][cli]")
{
    CHECK(parameters_of("", {"n=1", "t=true", "x=null", "l=[1,2]", "s=hello", "q=\"1\"", "e=", "eq=a=b"}) ==
          R"({"n":1,"t":true,"x":null,"l":[1,2],"s":"hello","q":"1","e":"","eq":"a=b"})");
    CHECK(parameters_of("", {"n=1", "n=2"}) == R"({"n":2})");
    CHECK(parameters_of(R"({"a":1,"b":2})", {"b=3"}) == R"({"a":1,"b":3})");
}

TEST_CASE("parameters come from a file too, and bad ones are refused", "[unit][cli]")
{
    const scratch_folder folder;
    CHECK(parameters_of("@" + write_file(folder, "p.json", R"({"a": [1]})"), {}) == R"({"a":[1]})");
    CHECK(parameters_of("@/nowhere/p.json", {}).find("cannot open /nowhere/p.json") != std::string::npos);
    CHECK(parameters_of("[1]", {}).find("must be a JSON object") != std::string::npos);
    CHECK(parameters_of("{", {}).starts_with("refused: --parameters: "));
    CHECK(parameters_of("", {"novalue"}) == "refused: -p novalue: must be NAME=VALUE");
    CHECK(parameters_of("", {"=1"}) == "refused: -p =1: must be NAME=VALUE");
}

TEST_CASE("a base URL is read strictly", "[unit][cli]")
{
    struct row { const char* given; const char* text; };
    const auto r = GENERATE(values<row>({
        {"http://127.0.0.1:7575", "http://127.0.0.1:7575"},
        {"http://host/", "http://host:80"},
        {"https://host/below/", "https://host:443/below"},
        {"http://[::1]:7575", "http://[::1]:7575"},
        {"ftp://host", ""},
        {"host:7575", ""},
        {"http://", ""},
        {"http://user@host", ""},
        {"http://host:0", ""},
        {"http://host:99999", ""},
        {"http://host:7x", ""},
        {"http://host/a?b", ""},
        {"http://[::1", ""},
        {"http://ho st", ""},
    }));
    INFO(r.given);
    const auto url = parse_base_url(r.given);
    CHECK((url ? url->text() : "") == r.text);
}

TEST_CASE("segments and values of a target cannot change its shape", "[unit][cli]")
{
    CHECK(target("/v1/jobs").segment("a/../b?c").query("x", "a&b=c").query("y", "é").text() == "/v1/jobs/a%2F..%2Fb%3Fc?x=a%26b%3Dc&y=%C3%A9");
    CHECK(target("/v1/jobs").segment("..").text() == "/v1/jobs/%2E%2E");
}

TEST_CASE("everything wrong with a set of definition files is said at once, with file and line", "[unit][cli]")
{
    const scratch_folder folder;
    const std::string good = write_file(folder, "good.yaml", "job_id: a\nhandler: {type: noop}\n---\njob_id: b\nhandler: {type: noop}\n");
    const std::string bad = write_file(folder, "bad.yaml", "\nhandler: {type: noop}\n---\njob_id: Not A Slug\n---\n[1]\n---\njob_id: b\n");
    const std::string broken = write_file(folder, "broken.yaml", "a: [\n");
    const std::string empty = write_file(folder, "empty.yaml", "# nothing\n");
    const definition_set set = load_definitions({good, bad, broken, empty, "/nowhere.yaml"});
    CHECK(set.jobs.size() == 3);
    REQUIRE(set.complaints.size() == 7);
    // First what cannot be read, then what was read and is wrong.
    CHECK(set.complaints[0].starts_with(broken + ":2:1: "));
    CHECK(set.complaints[1] == empty + ":1: there is no definition in it");
    CHECK(set.complaints[2].starts_with("cannot open /nowhere.yaml"));
    CHECK(set.complaints[3] == bad + ":2: job_id: is missing");
    CHECK(set.complaints[4].starts_with(bad + ":4: job_id: must be "));
    CHECK(set.complaints[5] == bad + ":6: a definition must be a map");
    CHECK(set.complaints[6] == bad + ":8: job_id: is defined at " + good + ":4 already (\"b\")");
}
