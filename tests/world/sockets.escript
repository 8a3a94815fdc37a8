%% sockets.escript FILE: gen_tcp in all three ways of receiving, then httpc.
main([File]) ->
	{ok, Page} = file:read_file(File),
	passive(Page),
	active(Page),
	lines(),
	web(Page),
	halt(0).

listen(Opts) ->
	{ok, L} = gen_tcp:listen(0, [binary, {ip, {127,0,0,1}}, {reuseaddr, true} | Opts]),
	{ok, Port} = inet:port(L),
	{L, Port}.

connect(Port, Opts) ->
	{ok, S} = gen_tcp:connect({127,0,0,1}, Port, [binary | Opts], 10000),
	S.

passive(Page) ->
	{L, Port} = listen([{active, false}]),
	spawn_link(fun() ->
		{ok, S} = gen_tcp:accept(L),
		ok = gen_tcp:send(S, Page),
		ok = gen_tcp:shutdown(S, write),
		{error, closed} = gen_tcp:recv(S, 0)
	end),
	S = connect(Port, [{active, false}]),
	{ok, Page} = gen_tcp:recv(S, byte_size(Page), 50000),
	{error, closed} = gen_tcp:recv(S, 0, 50000),
	ok = gen_tcp:close(S).

collect(S, Page, Got) when byte_size(Got) < byte_size(Page) ->
	ok = inet:setopts(S, [{active, once}]),
	receive {tcp, S, Part} -> collect(S, Page, <<Got/binary, Part/binary>>)
	after 50000 -> exit(late) end;
collect(_, Page, Got) -> Page = Got.

active(Page) ->
	{L, Port} = listen([{active, false}]),
	spawn_link(fun() ->
		{ok, S} = gen_tcp:accept(L),
		ok = gen_tcp:send(S, Page),
		{error, closed} = gen_tcp:recv(S, 0)
	end),
	S = connect(Port, [{active, false}]),
	collect(S, Page, <<>>),
	ok = gen_tcp:close(S),
	{error, econnrefused} = gen_tcp:connect({127,0,0,1}, 1, []).

lines() ->
	{L, Port} = listen([{active, false}, {packet, 4}]),
	spawn_link(fun() ->
		{ok, S} = gen_tcp:accept(L),
		echo(S)
	end),
	S = connect(Port, [{active, true}, {packet, 4}, {nodelay, true}]),
	[begin
		Msg = binary:copy(<<I>>, I),
		ok = gen_tcp:send(S, Msg),
		receive {tcp, S, Msg} -> ok after 50000 -> exit(late) end
	end || I <- lists:seq(1, 200)],
	ok = gen_tcp:close(S).

echo(S) ->
	case gen_tcp:recv(S, 0) of
	{ok, Msg} -> ok = gen_tcp:send(S, Msg), echo(S);
	{error, closed} -> ok
	end.

web(Page) ->
	{ok, _} = application:ensure_all_started(inets),
	{ok, Cwd} = file:get_cwd(),
	ok = file:write_file("page", Page),
	{ok, Pid} = inets:start(httpd, [{port, 0}, {bind_address, {127,0,0,1}},
		{server_name, "t"}, {server_root, Cwd}, {document_root, Cwd},
		{modules, [mod_get]}]),
	[{port, Port}] = httpd:info(Pid, [port]),
	Url = "http://127.0.0.1:" ++ integer_to_list(Port) ++ "/page",
	[{ok, {{_, 200, _}, _, Page}} =
		httpc:request(get, {Url, []}, [{timeout, 50000}], [{body_format, binary}])
		|| _ <- lists:seq(1, 5)].
