// Copy buttons as the client themes of WHMCS have them: a button with data-clipboard-target copies that element's value.
// What matters to a template: the value is selected in a field that is put beside the target, within the same parent.
// So where the parent is not shown, nothing is selected, nothing copied, and the tip says "Copied!" all the same.
jQuery(function ($) {
    $(document).on('click', '.copy-to-clipboard', function (event) {
        event.preventDefault();
        var button = $(this);
        var target = $(button.data('clipboard-target'));
        var beside = $('<textarea style="position:fixed;opacity:0;width:1px;height:1px"></textarea>').val(target.val());
        target.parent().append(beside);
        beside.trigger('focus').trigger('select');
        document.execCommand('copy');
        beside.remove();
        $('.copy-to-clipboard').not(button).tooltip('hide');
        if (!button.attr('data-original-title')) {
            button.attr('title', 'Copied!').tooltip({ trigger: 'manual', placement: 'bottom', animation: false });
        }
        button.tooltip('show');
    });
});
