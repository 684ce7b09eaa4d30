#include "tests/unit/storage/model/definition_text.hpp"

#include "storage/model/json_text.hpp"
#include "storage/model/placement.hpp"

#include <catch2/catch.hpp>

using namespace rowlock;

namespace {

std::string wanted_by(const std::string& members)
{
    return label_text(labels_wanted(good(noop_with(members)).document));
}

}

TEST_CASE("a placement asks for labels, and the region is one of them", "[unit][definition][placement]")
{
    CHECK(wanted_by(R"("idempotent":true)").empty());
    CHECK(wanted_by(R"("placement":{})").empty());
    CHECK(wanted_by(R"("placement":null)").empty());
    CHECK(wanted_by(R"("placement":{"labels":{"gpu":"true","a/b":"x=y"}})") == "a/b=x=y, gpu=true");
    CHECK(wanted_by(R"("placement":{"region":"eu","labels":{"gpu":"true"}})") == "gpu=true, region=eu");
    CHECK(wanted_by(R"("placement":{"region":"eu","labels":{"region":"eu"}})") == "region=eu");
    CHECK(wanted_by(R"("region":"eu")") == "region=eu");
    CHECK(kept(good(noop_with(R"("region":"eu")")), "placement") == R"({"region":"eu"})");
}
