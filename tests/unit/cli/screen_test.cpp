#include "ops/cli/human_text.hpp"
#include "ops/cli/output.hpp"
#include "ops/cli/progress_bar.hpp"
#include "ops/cli/table.hpp"
#include "ops/cli/terminal.hpp"
#include "storage/model/nearest_name.hpp"

#include <catch2/catch.hpp>
#include <sstream>

using namespace rowlock::ops;
using rowlock::nearest_name;

namespace {

surroundings both_terminals()
{
    surroundings around;
    around.out_is_terminal = around.err_is_terminal = true;
    around.columns = 120;
    around.term = "xterm";
    around.charset = "C.UTF-8";
    return around;
}

table sample()
{
    table t({{"ID"}, {"JOB", false, true}, {"N", true}, {"NOTE", false, false, true}});
    t.add({{"0190"}, {"a-job-with-quite-a-long-name"}, {"7"}, {"first"}});
    t.add({{"0191"}, {"b"}, {"12345"}, {""}});
    return t;
}

}

TEST_CASE("colour needs a terminal that wants it", "[unit][cli]")
{
    CHECK(decide_style(both_terminals(), false).out_colour);
    CHECK(decide_style(both_terminals(), false).unicode);
    CHECK(decide_style(both_terminals(), false).live);
    CHECK(decide_style(both_terminals(), false).width == 100);

    struct row { const char* why; void (*change)(surroundings&); };
    const auto r = GENERATE(values<row>({
        {"piped", [](surroundings& s) { s.out_is_terminal = false; }},
        {"NO_COLOR", [](surroundings& s) { s.no_color = "1"; }},
        {"TERM=dumb", [](surroundings& s) { s.term = "dumb"; }},
        {"CI=true", [](surroundings& s) { s.ci = "true"; }},
    }));
    INFO(r.why);
    surroundings around = both_terminals();
    r.change(around);
    CHECK_FALSE(decide_style(around, false).out_colour);
}

TEST_CASE("--no-color, an empty NO_COLOR and CI=false do what they say", "[unit][cli]")
{
    CHECK_FALSE(decide_style(both_terminals(), true).out_colour);
    CHECK_FALSE(decide_style(both_terminals(), true).unicode);
    surroundings around = both_terminals();
    around.no_color = "";
    around.ci = "false";
    CHECK(decide_style(around, false).out_colour);
    around.out_is_terminal = false;
    CHECK(decide_style(around, false).width == 0);
    CHECK(decide_style(around, false).err_colour);
}

TEST_CASE("a piped table is aligned by blanks, whole and without colour", "[unit][cli]")
{
    CHECK(sample().render({}) == "ID    JOB                               N  NOTE\n"
                                 "0190  a-job-with-quite-a-long-name      7  first\n"
                                 "0191  b                             12345\n");
}

TEST_CASE("a table on a terminal keeps its width: text is cut first, then what may go is left out", "[unit][cli]")
{
    terminal_style style;
    style.width = 40;
    CHECK(sample().render(style) == "ID    JOB                       N  NOTE\n"
                                    "0190  a-job-with-quite-...      7  first\n"
                                    "0191  b                     12345\n");
    style.width = 26;
    style.unicode = true;
    CHECK(sample().render(style) == "ID    JOB                N\n"
                                    "0190  a-job-with-q…      7\n"
                                    "0191  b              12345\n");
}

TEST_CASE("no text can move the cursor or break a table", "[unit][cli]")
{
    CHECK(printable("a\x1b[2Jb\nc\td\x7f\xc2\x9b\xff") == "a\\x1b[2Jb\\nc d\\x7f\\x9b?");
    CHECK(printable("é…") == "é…");
    table t({{"A"}, {"B"}});
    t.add({{"x\ny"}, {"z"}});
    CHECK(t.render({}) == "A     B\nx\\ny  z\n");
}

TEST_CASE("times and durations are short", "[unit][cli]")
{
    using namespace std::chrono_literals;
    CHECK(human_time("2026-01-31T10:30:00.123456+01:00") == "2026-01-31 09:30:00");
    CHECK(human_time("soon") == "soon");
    CHECK(human_duration(-5ms) == "0ms");
    CHECK(human_duration(999ms) == "999ms");
    CHECK(human_duration(1250ms) == "1.25s");
    CHECK(human_duration(59'999ms) == "59.99s");
    CHECK(human_duration(123s) == "2m03s");
    CHECK(human_duration(62min) == "1h02m");
    CHECK(human_duration(76h) == "3d04h");
    CHECK(time_between("2026-01-31T09:30:00Z", "2026-01-31T09:30:01.5Z") == 1500ms);
    CHECK_FALSE(time_between("", "2026-01-31T09:30:01.5Z").has_value());
}

TEST_CASE("a progress bar shows shares and leaves a quiet or piped stderr alone", "[unit][cli]")
{
    CHECK(bar_line("x", 5, 10, false) == "x [###############---------------] 5/10  50%");
    CHECK(bar_line("x", 11, 10, false) == "x [##############################] 10/10 100%");
    CHECK(bar_line("x", 0, 0, false).find("100%") != std::string::npos);

    std::ostringstream err;
    terminal_style live;
    live.live = true;
    { progress_bar quiet(err, live, true, "x", 2); quiet.advance_to(1); }
    { progress_bar piped(err, {}, false, "x", 2); piped.advance_to(1); }
    CHECK(err.str().empty());
    { progress_bar shown(err, live, false, "x", 2); shown.advance_to(1); shown.advance_to(2); }
    CHECK(err.str().find("1/2") != std::string::npos);
    CHECK(err.str().ends_with("\r\x1b[K"));
}

TEST_CASE("an error is one block with a line for each field", "[unit][cli]")
{
    std::ostringstream out;
    std::ostringstream err;
    output screen(out, err);
    const refusal r = refusal_of_reply(422, "application/problem+json",
                                       R"({"title":"Some fields are refused.","detail":"See the fields.","code":"INVALID_REQUEST","status":422,
                                           "errors":[{"field":"priority","value":5000,"message":"must be at most 1000"},{"field":"job_id","value":null,"message":"is missing"}]})",
                                       "");
    CHECK(r.code == exit_code::configuration);
    screen.report(r);
    CHECK(out.str().empty());
    CHECK(err.str() == "error: Some fields are refused (422 INVALID_REQUEST)\n  See the fields.\n  priority: must be at most 1000 (5000)\n  job_id: is missing\n");
}

TEST_CASE("a reply that is no problem of Rowlock's is a protocol error", "[unit][cli]")
{
    CHECK(refusal_of_reply(404, "text/html", "<html>\nno", "").code == exit_code::protocol);
    CHECK(refusal_of_reply(502, "text/html", "bad gateway", "").code == exit_code::protocol);
    CHECK(refusal_of_reply(401, "text/plain", "", "").code == exit_code::security);
    const refusal busy = refusal_of_reply(503, "application/problem+json", R"({"title":"Away."})", "5");
    CHECK(busy.code == exit_code::protocol);
    CHECK(busy.detail == "Try again in 5 s.");
}

TEST_CASE("the nearest name is offered only where it is near", "[unit][cli]")
{
    const std::vector<std::string> known{"submit", "serve", "run", "execution"};
    CHECK(nearest_name("sumbit", known) == "submit");
    CHECK(nearest_name("exection", known) == "execution");
    CHECK(nearest_name("rnu", known) == "run");
    CHECK_FALSE(nearest_name("frobnicate", known).has_value());
    CHECK_FALSE(nearest_name("x", {}).has_value());
}
