#include "ops/cli/show_things.hpp"

#include "ops/cli/json_read.hpp"

#include <boost/json/array.hpp>

namespace rowlock::ops {

namespace json = boost::json;

namespace {

constexpr std::size_t most_things = 100'000;

}

exit_code list_things(context& c, const target& at, show_table show)
{
    const auto found = c.api().list(at, most_things);
    if (!found) return c.fail(found.error());
    if (c.screen.human()) return show(c, *array_at(*found, "items"));
    c.screen.document(*found);
    return exit_code::success;
}

exit_code show_thing(context& c, const outcome_of<api_reply>& reply, show_table show)
{
    if (!reply) return c.fail(reply.error());
    if (c.screen.human()) return show(c, json::array{reply->body});
    c.screen.document(reply->body);
    return exit_code::success;
}

}
