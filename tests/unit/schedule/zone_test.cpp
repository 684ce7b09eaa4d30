#include "runtime/schedule/zone.hpp"
#include "runtime/schedule/zone_database.hpp"
#include "runtime/schedule/zone_rule.hpp"
#include "tests/unit/schedule/naive_cron.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <string_view>

using namespace rowlock;
using namespace rowlock::runtime;

namespace {

namespace fs = std::filesystem;

void append_number(std::string& out, std::uint64_t n, int bytes)
{
    for (int i = bytes - 1; i >= 0; --i) out.push_back(static_cast<char>(n >> (8 * i) & 0xff));
}

std::string block_with(char version, int time_bytes, std::uint32_t leaps, std::int32_t offset)
{
    std::string out = "TZif";
    out.push_back(version);
    out.append(15, '\0');
    for (const std::uint32_t count : {0U, 0U, leaps, 0U, 1U, 4U}) append_number(out, count, 4);
    append_number(out, static_cast<std::uint32_t>(offset), 4);
    out.append(2, '\0');
    out.append("ABC");
    out.push_back('\0');
    out.append(leaps * static_cast<std::size_t>(time_bytes + 4), '\0');
    return out;
}

// A zone without a table: one clock, and the rule.
std::string tzif(std::int32_t offset, std::string_view rule)
{
    return block_with('2', 4, 0, offset) + block_with('2', 8, 0, offset) + '\n' + std::string(rule) + '\n';
}

struct folder {
    fs::path path = fs::temp_directory_path() / ("rowlock-zones-" + std::to_string(::getpid()));
    folder() { fs::create_directories(path / "Test"); }
    ~folder() { fs::remove_all(path); }
    void write(const std::string& name, const std::string& content) const { std::ofstream(path / name, std::ios::binary) << content; }
};

constexpr std::int64_t year_2026 = 1'767'225'600;
constexpr std::int64_t summer_2026 = year_2026 + 182 * 86'400;

}

TEST_CASE("every zone of the system shows what the C library shows, from 1900 to 2500", "[unit][schedule]")
{
    zone_database zones;
    std::mt19937 engine(5);
    const auto& names = zones.names();
    REQUIRE(names.size() > 300);
    for (const auto& name : names) {
        const auto clocks = zones.find(name);
        INFO(name);
        REQUIRE(clocks.has_value());
        const naive::zone_in_force zone(name);
        for (int i = 0; i < 20; ++i) {
            const auto at = -2'208'988'800 + static_cast<std::int64_t>(engine()) * 4 + static_cast<std::int64_t>(engine() % 600);
            const auto period = (*clocks)->at(at);
            if (at + period.offset != naive::zone_in_force::reading_at(at)) FAIL(name << " at " << at << ": " << period.offset);
            REQUIRE((period.begin <= at && at < period.end));
            if (period.end != zone::always) REQUIRE((*clocks)->at(period.end).offset == period.offset_after);
            if (period.begin != -zone::always) REQUIRE((*clocks)->at(period.begin - 1).offset == period.offset_before);
        }
    }
}

TEST_CASE("a short file with nothing but a rule is read as a long one", "[unit][schedule]")
{
    const auto berlin = zone::parse(tzif(3600, "CET-1CEST,M3.5.0,M10.5.0/3"));
    REQUIRE(berlin.has_value());
    CHECK(berlin->at(year_2026).offset == 3600);
    CHECK(berlin->at(summer_2026).offset == 7200);
    zone_database zones;
    const auto whole = zones.find("Europe/Berlin").value();
    for (std::int64_t at = year_2026; at < year_2026 + 1000LL * 366 * 86'400; at += 86'400 * 29) REQUIRE(berlin->at(at).offset == whole->at(at).offset);
}

TEST_CASE("a rule can last for the whole year, and can lie in the south", "[unit][schedule]")
{
    const auto always = zone::parse(tzif(-5 * 3600, "XXX3EDT4,0/0,J365/23"));
    REQUIRE(always.has_value());
    for (std::int64_t at = year_2026; at < year_2026 + 900LL * 366 * 86'400; at += 86'400 * 13) {
        const auto period = always->at(at);
        REQUIRE(period.offset == -4 * 3600);
        REQUIRE(period.offset_after == -4 * 3600);
    }
    const auto sydney = zone::parse(tzif(36'000, "AEST-10AEDT,M10.1.0,M4.1.0/3"));
    REQUIRE(sydney.has_value());
    CHECK(sydney->at(year_2026).offset == 39'600);
    CHECK(sydney->at(summer_2026).offset == 36'000);
}

TEST_CASE("the rule of a zone file is read as POSIX writes it", "[unit][schedule]")
{
    const auto rule = parse_zone_rule("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0");
    REQUIRE(rule.has_value());
    CHECK(rule->standard == 37'800);
    CHECK(rule->daylight == 39'600);
    CHECK(parse_zone_rule("UTC0").has_value());
    CHECK(parse_zone_rule("IST-2IDT,M3.4.4/26,M10.5.0")->starts.at == 26 * 3600);
    CHECK(parse_zone_rule("<-02>2<-01>,M3.5.0/-1,M10.5.0/0")->starts.at == -3600);
    for (const auto* bad : {"", "A0", "UTC", "CET-1CEST", "CET-1CEST,M3.5.0", "CET-1CEST,M13.5.0,M10.5.0", "CET-1CEST,M3.6.0,M10.5.0", "CET-1CEST,J0,J5", "<CET-1", "UTC0 ", "UTC300"}) {
        INFO(bad);
        CHECK_FALSE(parse_zone_rule(bad).has_value());
    }
}

TEST_CASE("what is no zone data is refused, and never read beyond its end", "[unit][schedule]")
{
    CHECK_FALSE(zone::parse("").has_value());
    CHECK_FALSE(zone::parse("TZif").has_value());
    CHECK_FALSE(zone::parse(std::string(100, 'x')).has_value());
    const auto whole = tzif(3600, "CET-1CEST,M3.5.0,M10.5.0/3");
    // Without its last newline the footer is missing, and what remains is a zone without a rule.
    for (std::size_t n = 0; n < block_with('2', 4, 0, 0).size() * 2; ++n) CHECK_FALSE(zone::parse(whole.substr(0, n)).has_value());
    CHECK_FALSE(zone::parse(tzif(30 * 3600, "UTC0")).has_value());
    CHECK_FALSE(zone::parse(tzif(0, "nonsense")).has_value());
    const auto leaps = zone::parse(block_with('2', 4, 0, 0) + block_with('2', 8, 2, 0) + "\nUTC0\n");
    REQUIRE_FALSE(leaps.has_value());
    CHECK_THAT(leaps.error().detail, Catch::Contains("leap seconds"));
}

TEST_CASE("an unknown zone is refused with the name that was meant", "[unit][schedule]")
{
    zone_database zones;
    struct row {
        const char* given;
        const char* says;
    };
    auto r = GENERATE(values<row>({
        {"Europe/Berln", "the nearest is Europe/Berlin"},
        {"europe/berlin", "the nearest is Europe/Berlin"},
        {"Berlin", "the nearest is Europe/Berlin"},
        {"America/New York", "the nearest is America/New_York"},
        {"utc", "the nearest is UTC"},
        {"Mars/Olympus_Mons", "use a name of the IANA database, like Europe/Berlin"},
        {"../../etc/passwd", "use a name of the IANA database"},
        {"/usr/share/zoneinfo/Europe/Berlin", "names no time zone"},
        {"right/Europe/Berlin", "names no time zone"},
        {"localtime", "names no time zone"},
        {"Europe", "names no time zone"},
        {"", "names no time zone"},
    }));
    INFO(r.given);
    const auto found = zones.find(r.given);
    REQUIRE_FALSE(found.has_value());
    CHECK(found.error().code == errc::invalid_timezone);
    CHECK_THAT(found.error().detail, Catch::Contains(r.says));
}

TEST_CASE("new zone data holds from the next question on", "[unit][schedule]")
{
    const folder data;
    zone_database zones(data.path.string());
    CHECK_FALSE(zones.find("Test/Zone").has_value());
    data.write("Test/Zone", tzif(3600, "CET-1"));
    const auto before = zones.find("Test/Zone");
    REQUIRE(before.has_value());
    CHECK((*before)->at(year_2026).offset == 3600);
    CHECK(zones.find("Test/Zone").value() == *before);
    data.write("Test/Zone", tzif(7200, "EET-2EEST,M3.5.0/3,M10.5.0/4"));
    const auto after = zones.find("Test/Zone");
    REQUIRE(after.has_value());
    CHECK((*after)->at(year_2026).offset == 7200);
    CHECK((*before)->at(year_2026).offset == 3600);
    fs::remove(data.path / "Test/Zone");
    CHECK_FALSE(zones.find("Test/Zone").has_value());
}

TEST_CASE("without zone data there is UTC, and everything else says what is missing", "[unit][schedule]")
{
    zone_database zones("/nonexistent");
    CHECK(zones.find("UTC").has_value());
    const auto found = zones.find("Europe/Berlin");
    REQUIRE_FALSE(found.has_value());
    CHECK_THAT(found.error().detail, Catch::Contains("install the package tzdata"));
}
