{* The customer's page: service information, connection, traffic. Written for Smarty 3 and 4; everything is escaped.
   The themes' copy buttons select the value in a field that they put beside their target, so the target of a folded
   secret is a hidden field beside the button: within what is folded nothing can be selected. *}
<link rel="stylesheet" href="{if isset($WEB_ROOT)}{$WEB_ROOT|escape}/{/if}modules/servers/turnpike/assets/turnpike.css?v={$turnpike.version|escape}">
<div class="turnpike">
    {if !$turnpike.unavailable}
    <ul class="turnpike-tabs nav nav-tabs">
        {foreach $turnpike.tabs as $tab}
        <li class="nav-item{if $tab.active} active{/if}"><a class="nav-link{if $tab.active} active{/if}" href="{$tab.url|escape}"{if $tab.active} aria-current="page"{/if}>{$tab.label|escape}</a></li>
        {/foreach}
    </ul>
    {/if}
    {if !empty($turnpike.said.says)}
    <div class="alert alert-{$turnpike.said.level|escape}" role="status">{$turnpike.said.says|escape}</div>
    {/if}
    {if $turnpike.unavailable}
    <div class="alert alert-warning" role="status">{$turnpike.unavailable|escape}</div>
    {/if}
    {if $turnpike.blocked}
    <div class="alert alert-danger" role="status">
        <strong>{$turnpike.blocked.why|escape}</strong><br>
        {$turnpike.blocked.ends|escape}
        {if $turnpike.blocked.url}<a class="alert-link" href="{$turnpike.blocked.url|escape}">{$turnpike.blocked.link|escape}</a>{/if}
    </div>
    {/if}

    {if $turnpike.plan}
    <section class="card panel panel-default" aria-labelledby="turnpikePlan">
        <div class="card-header panel-heading"><h3 class="card-title panel-title" id="turnpikePlan">{$turnpikeLang.plan|escape}: {$turnpike.plan.name|escape}</h3></div>
        <div class="card-body panel-body">
            <p class="turnpike-why{if $turnpike.plan.slowed} turnpike-slowed{/if}">{$turnpike.plan.why|escape}</p>
            <dl>
                {foreach $turnpike.plan.speeds as $speed}
                <dt>{$speed.label|escape}</dt>
                <dd>
                    <strong>{$speed.says|escape}</strong>
                    {if isset($speed.percent)}
                    <svg class="turnpike-meter{if $turnpike.plan.slowed} turnpike-meter-slowed{/if}" width="100%" height="12" role="img" aria-label="{$speed.says|escape}"><rect class="turnpike-meter-track" width="100%" height="12" rx="3"></rect><rect class="turnpike-meter-fill" width="{$speed.percent|escape}%" height="12" rx="3"></rect></svg>
                    {/if}
                </dd>
                {/foreach}
                {foreach $turnpike.plan.meters as $meter}
                <dt>{$meter.label|escape}</dt>
                <dd>
                    <strong>{$meter.used|escape}</strong>
                    {if isset($meter.percent)}
                    <svg class="turnpike-meter" width="100%" height="18" role="img" aria-label="{$meter.label|escape}: {$meter.used|escape}. {$meter.next|escape}"><rect class="turnpike-meter-track" y="3" width="100%" height="12" rx="3"></rect><rect class="turnpike-meter-fill" y="3" width="{$meter.percent|escape}%" height="12" rx="3"></rect>{foreach $meter.marks as $mark}<rect class="{if $mark.next}turnpike-meter-next{else}turnpike-meter-mark{/if}" x="{$mark.at|escape}%" width="{if $mark.next}3{else}1{/if}" height="18"></rect>{/foreach}</svg>
                    {/if}
                    {if $meter.next}<small class="text-muted turnpike-line">{$meter.next|escape}</small>{/if}
                    {if $meter.bonus}<small class="text-muted turnpike-line">{$meter.bonus|escape}</small>{/if}
                    {if $meter.resets}<small class="text-muted turnpike-line">{$meter.resets|escape}</small>{/if}
                </dd>
                {/foreach}
                {foreach $turnpike.plan.rows as $row}
                <dt>{$row.label|escape}</dt>
                <dd>{$row.value|escape}</dd>
                {/foreach}
            </dl>
            {if $turnpike.plan.as_of}<small class="text-muted turnpike-line">{$turnpike.plan.as_of|escape}</small>{/if}
            {if $turnpike.reset}
            {if $turnpike.reset.offer}
            <details class="turnpike-action">
                <summary>{$turnpike.reset.offer|escape} &hellip;</summary>
                <p>{$turnpike.reset.says|escape}</p>
                <form method="post" action="{$turnpike.form.url|escape}">
                    <input type="hidden" name="token" value="{$turnpike.form.token|escape}">
                    <input type="hidden" name="turnpike_once" value="{$turnpike.form.key|escape}">
                    <button class="btn btn-default" type="submit" name="turnpike_action" value="reset_day">{$turnpike.reset.offer|escape}</button>
                </form>
            </details>
            {else}
            <p class="turnpike-action">{$turnpike.reset.says|escape} {if $turnpike.reset.url}<a href="{$turnpike.reset.url|escape}">{$turnpike.reset.link|escape}</a>{/if}</p>
            {/if}
            {/if}
        </div>
    </section>
    {/if}

    <section class="card panel panel-default" aria-labelledby="turnpikeInformation">
        <div class="card-header panel-heading"><h3 class="card-title panel-title" id="turnpikeInformation">{$turnpikeLang.service_information|escape}</h3></div>
        <div class="card-body panel-body">
            {if $turnpike.information.instruction_url}
            <p><a class="btn btn-default" href="{$turnpike.information.instruction_url|escape}" target="_blank" rel="noopener noreferrer">{$turnpikeLang.user_manual|escape}</a></p>
            {/if}
            <dl>
                {if $turnpike.information.server_address}
                <dt>{$turnpikeLang.server_address|escape}</dt>
                <dd class="turnpike-secret">
                    <input class="form-control" id="turnpikeServer" type="text" readonly spellcheck="false" value="{$turnpike.information.server_address|escape}" aria-label="{$turnpikeLang.server_address|escape}">
                    <button class="btn btn-default btn-sm copy-to-clipboard" type="button" data-clipboard-target="#turnpikeServer" aria-label="{$turnpikeLang.copy|escape}: {$turnpikeLang.server_address|escape}">{$turnpikeLang.copy|escape}</button>
                </dd>
                {/if}
                {if $turnpike.information.protocols}
                <dt>{$turnpikeLang.protocols|escape}</dt>
                <dd>{$turnpike.information.protocols|escape}</dd>
                {/if}
                {if $turnpike.information.l2tp_psk}
                <dt>{$turnpikeLang.l2tp_psk|escape}</dt>
                <dd class="turnpike-secret">
                    <details class="turnpike-reveal">
                        <summary><span class="turnpike-mask" aria-hidden="true">&bull;&bull;&bull;&bull;&bull;&bull;&bull;&bull;</span> <span class="turnpike-show">{$turnpikeLang.show|escape}</span><span class="turnpike-hide">{$turnpikeLang.hide|escape}</span><span class="sr-only"> {$turnpikeLang.l2tp_psk|escape}</span></summary>
                        <input class="form-control" id="turnpikePsk" type="text" readonly spellcheck="false" value="{$turnpike.information.l2tp_psk|escape}" aria-label="{$turnpikeLang.l2tp_psk|escape}">
                    </details>
                    <input id="turnpikePskCopy" type="hidden" value="{$turnpike.information.l2tp_psk|escape}">
                    <button class="btn btn-default btn-sm copy-to-clipboard" type="button" data-clipboard-target="#turnpikePskCopy" aria-label="{$turnpikeLang.copy|escape}: {$turnpikeLang.l2tp_psk|escape}">{$turnpikeLang.copy|escape}</button>
                </dd>
                {/if}
                <dt>{$turnpikeLang.username|escape}</dt>
                <dd class="turnpike-secret">
                    <input class="form-control" id="turnpikeUsername" type="text" readonly spellcheck="false" value="{$turnpike.information.username|escape}" aria-label="{$turnpikeLang.username|escape}">
                    <button class="btn btn-default btn-sm copy-to-clipboard" type="button" data-clipboard-target="#turnpikeUsername" aria-label="{$turnpikeLang.copy|escape}: {$turnpikeLang.username|escape}">{$turnpikeLang.copy|escape}</button>
                </dd>
                <dt>{$turnpikeLang.password|escape}</dt>
                {if $turnpike.secrets}
                <dd class="turnpike-secret">
                    <details class="turnpike-reveal">
                        <summary><span class="turnpike-mask" aria-hidden="true">&bull;&bull;&bull;&bull;&bull;&bull;&bull;&bull;</span> <span class="turnpike-show">{$turnpikeLang.show|escape}</span><span class="turnpike-hide">{$turnpikeLang.hide|escape}</span><span class="sr-only"> {$turnpikeLang.password|escape}</span></summary>
                        <input class="form-control" id="turnpikePassword" type="text" readonly spellcheck="false" value="{$turnpike.information.password|escape}" aria-label="{$turnpikeLang.password|escape}">
                    </details>
                    <input id="turnpikePasswordCopy" type="hidden" value="{$turnpike.information.password|escape}">
                    <button class="btn btn-default btn-sm copy-to-clipboard" type="button" data-clipboard-target="#turnpikePasswordCopy" aria-label="{$turnpikeLang.copy|escape}: {$turnpikeLang.password|escape}">{$turnpikeLang.copy|escape}</button>
                </dd>
                {else}
                <dd class="text-muted">{$turnpikeLang.secrets_hidden|escape}</dd>
                {/if}
                {if $turnpike.information.bandwidth}
                <dt>{$turnpikeLang.bandwidth|escape}</dt>
                <dd>{$turnpike.information.bandwidth|escape}</dd>
                {/if}
            </dl>
            {if $turnpike.actions && $turnpike.secrets}
            <details class="turnpike-action">
                <summary>{$turnpikeLang.new_password|escape}</summary>
                <p>{$turnpikeLang.new_password_help|escape}</p>
                <form method="post" action="{$turnpike.form.url|escape}">
                    <input type="hidden" name="token" value="{$turnpike.form.token|escape}">
                    <input type="hidden" name="turnpike_once" value="{$turnpike.form.key|escape}">
                    <button class="btn btn-default" type="submit" name="turnpike_action" value="new_password">{$turnpikeLang.new_password_button|escape}</button>
                </form>
            </details>
            {/if}
        </div>
    </section>

    <section class="card panel panel-default" aria-labelledby="turnpikeConnection">
        <div class="card-header panel-heading"><h3 class="card-title panel-title" id="turnpikeConnection">{$turnpikeLang.connection|escape}</h3></div>
        <div class="card-body panel-body">
            <dl>
                <dt>{$turnpikeLang.connection_status|escape}</dt>
                <dd>
                    <span class="turnpike-status turnpike-status-{$turnpike.connection.status|escape}">{$turnpike.connection.label|escape}</span>
                    {if !empty($turnpike.connection.as_of)}<small class="text-muted">{$turnpike.connection.as_of|escape}</small>{/if}
                </dd>
                {foreach $turnpike.connection.rows as $row}
                <dt>{$row.label|escape}</dt>
                <dd>{$row.value|escape}</dd>
                {/foreach}
            </dl>
            {if $turnpike.actions && $turnpike.connection.status != 'offline'}
            <details class="turnpike-action">
                <summary>{$turnpikeLang.disconnect|escape}</summary>
                <p>{$turnpikeLang.disconnect_help|escape}</p>
                <form method="post" action="{$turnpike.form.url|escape}">
                    <input type="hidden" name="token" value="{$turnpike.form.token|escape}">
                    <input type="hidden" name="turnpike_once" value="{$turnpike.form.key|escape}">
                    <button class="btn btn-default" type="submit" name="turnpike_action" value="disconnect">{$turnpikeLang.disconnect_button|escape}</button>
                </form>
            </details>
            {/if}
        </div>
    </section>

    {if $turnpike.traffic}
    <section class="card panel panel-default" aria-labelledby="turnpikeTraffic">
        <div class="card-header panel-heading"><h3 class="card-title panel-title" id="turnpikeTraffic">{$turnpikeLang.traffic_information|escape}</h3></div>
        <div class="card-body panel-body">
            <dl>
                <dt>{$turnpikeLang.balance|escape}</dt>
                <dd>
                    <strong>{$turnpike.traffic.balance|escape}</strong>
                    {if $turnpike.traffic.as_of}<small class="text-muted">{$turnpike.traffic.as_of|escape}</small>{/if}
                    {if $turnpike.traffic.bar}
                    <progress class="turnpike-bar" max="100" value="{$turnpike.traffic.percent|escape}" aria-label="{$turnpikeLang.balance|escape}"></progress>
                    <small class="text-muted">{$turnpike.traffic.bar|escape}</small>
                    {/if}
                </dd>
                {if $turnpike.traffic.next}
                <dt>{$turnpikeLang.next_cycle|escape}</dt>
                <dd>{$turnpike.traffic.next|escape}</dd>
                {/if}
            </dl>
        </div>
    </section>
    {/if}

    {if $turnpike.netflow}
    <section class="card panel panel-default" aria-labelledby="turnpikeNetflow">
        <div class="card-header panel-heading"><h3 class="card-title panel-title" id="turnpikeNetflow">{$turnpikeLang.network_usage|escape}</h3></div>
        <div class="card-body panel-body">
            {if $turnpike.netflow.url}
            <p><a class="btn btn-default" href="{$turnpike.netflow.url|escape}" target="_blank" rel="noopener noreferrer">{$turnpikeLang.netflow_open|escape}</a></p>
            {/if}
            <dl>
                {foreach $turnpike.netflow.rows as $row}
                <dt>{$row.label|escape}</dt>
                {if $row.secret}
                <dd class="turnpike-secret">
                    <details class="turnpike-reveal">
                        <summary><span class="turnpike-mask" aria-hidden="true">&bull;&bull;&bull;&bull;&bull;&bull;&bull;&bull;</span> <span class="turnpike-show">{$turnpikeLang.show|escape}</span><span class="turnpike-hide">{$turnpikeLang.hide|escape}</span><span class="sr-only"> {$row.label|escape}</span></summary>
                        <input class="form-control" id="turnpikeNetflowPassword" type="text" readonly spellcheck="false" value="{$row.value|escape}" aria-label="{$row.label|escape}">
                    </details>
                    <input id="turnpikeNetflowPasswordCopy" type="hidden" value="{$row.value|escape}">
                    <button class="btn btn-default btn-sm copy-to-clipboard" type="button" data-clipboard-target="#turnpikeNetflowPasswordCopy" aria-label="{$turnpikeLang.copy|escape}: {$row.label|escape}">{$turnpikeLang.copy|escape}</button>
                </dd>
                {else}
                <dd>{$row.value|escape}</dd>
                {/if}
                {/foreach}
            </dl>
        </div>
    </section>
    {/if}
</div>
