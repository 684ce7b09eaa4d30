#include "ops/cli/version_list.hpp"

#include "ops/cli/human_text.hpp"
#include "ops/cli/json_read.hpp"

#include <boost/json/array.hpp>

namespace rowlock::ops {

exit_code show_versions(context& c, std::string_view collection, std::string_view id, std::size_t limit)
{
    const auto versions = c.api().list(target(collection).segment(id).segment("versions"), limit);
    if (!versions) return c.fail(versions.error());
    if (!c.screen.human()) {
        c.screen.document(*versions);
        return exit_code::success;
    }
    table shown({{"VERSION", true}, {"CREATED (UTC)"}, {"AUTHOR", false, true}, {"REASON", false, true}});
    for (const boost::json::value& version : *array_at(*versions, "items")) {
        shown.add({{text_at(version, "version")}, {human_time(text_at(version, "created_time"))}, {text_at(version, "author")}, {text_at(version, "reason")}});
    }
    c.screen.show(shown);
    return exit_code::success;
}

}
